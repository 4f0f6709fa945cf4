//! Who is there: people with roles, the applications that act for them, and what they own.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use crate::authorization_server::{Catalogue, DEFAULT_ADMIN_ROLE, hash_password};
use crate::sample_api::{Rows, SpaceRole};
use crate::store::{
    Change, ClientSecret, GrantType, Level, NewClient, NewUser, Password, Role, ScopeNames, Seconds, Store,
};

use super::fault::DemoFault;
use super::random;

/// The page as a client. The policy lets this one use every scope.
pub(super) const PAGE_CLIENT: &str = "web-console";
/// The client that changes what a role permits, for the page; it acts for nobody.
pub(super) const OPERATOR_CLIENT: &str = "demo-operator";
/// Ben's role: one of the tenant's own, so that what it permits can be changed.
pub(super) const ROLE: &str = "Support";
/// What it permits at first, all of it for what its holder owns or shares.
pub(super) const ROLE_SCOPES: [&str; 3] = ["automations", "automations.private", "automations.shared"];
/// What it can be made to permit as well.
pub(super) const ROLE_EXTRA: &str = "admin.automations";
/// Of the sample API: Ben's row in a space that Ada views.
pub(super) const SHARED_ROW: i64 = 3;
/// Of the sample API: Ben's row in no space.
pub(super) const COLLEAGUES_ROW: i64 = 4;

/// A person who can log in.
#[derive(Clone)]
pub(super) struct Person {
    /// The `sub` of tokens.
    pub(super) id: String,
    pub(super) login: &'static str,
    pub(super) name: &'static str,
    pub(super) password: String,
    pub(super) role: &'static str,
}

/// Everybody: Ada and Ben for the page, Nora for the first three requests.
#[derive(Clone, Debug)]
pub(super) struct People {
    pub(super) ada: Person,
    pub(super) ben: Person,
    pub(super) nora: Person,
    /// The secrets of the clients.
    pub(super) secrets: Secrets,
}

/// The secrets of the demo's clients.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) page: String,
    pub(super) operator: String,
}

impl People {
    /// Makes up everybody's identifier, password and secret.
    ///
    /// # Errors
    ///
    /// [`DemoFault::NoRandomness`].
    pub(super) fn new() -> Result<Self, DemoFault> {
        Ok(Self {
            ada: Person::new("ada", "Ada", DEFAULT_ADMIN_ROLE)?,
            ben: Person::new("ben", "Ben", ROLE)?,
            nora: Person::new("nora", "Nora", DEFAULT_ADMIN_ROLE)?,
            secrets: Secrets { page: random::secret()?, operator: random::secret()? },
        })
    }

    /// Those who are shown with their passwords.
    pub(super) fn shown(&self) -> [&Person; 2] {
        [&self.ada, &self.ben]
    }

    /// The name of whoever has this `sub`.
    pub(super) fn name_of<'a>(&self, subject: &'a str) -> &'a str {
        let known = [&self.ada, &self.ben, &self.nora].into_iter().find(|person| person.id == subject);
        known.map_or(subject, |person| person.name)
    }

    /// Fills a new database of the authorization server.
    ///
    /// # Errors
    ///
    /// [`DemoFault`].
    pub(super) async fn enrol(
        &self,
        store: &Store,
        catalogue: &Catalogue,
        redirect_uri: &str,
        now: Seconds,
    ) -> Result<(), DemoFault> {
        let mut change = store.change().await?;
        change.set_default_roles(&catalogue.default_roles()).await?;
        change.add_role(&role(false)).await?;
        for person in [&self.ada, &self.ben, &self.nora] {
            change.add_user(&person.new_user()?, now).await?;
        }
        change.add_client(&page_client(&self.secrets.page, catalogue, redirect_uri), now).await?;
        change.add_client(&operator_client(&self.secrets.operator), now).await?;
        Ok(change.commit().await?)
    }

    /// Fills a new database of the sample API, and leaves it open.
    ///
    /// # Errors
    ///
    /// [`DemoFault::Rows`].
    pub(super) async fn rows(&self, path: &Path) -> Result<Rows, DemoFault> {
        let (ada, ben, nora) = (&*self.ada.id, &*self.ben.id, &*self.nora.id);
        let rows = Rows::open(path).await?;
        let members = [(ada, SpaceRole::Viewer), (ben, SpaceRole::Editor), (nora, SpaceRole::Viewer)];
        let marketing = rows.add_space("Marketing", &members).await?;
        for (name, owner, space) in [
            ("Nightly report", ada, None),
            ("Clean up old apps", ada, Some(marketing)),
            ("Campaign mail", ben, Some(marketing)),
            ("Payroll", ben, None),
            ("Quarterly figures", nora, None),
        ] {
            rows.add_automation(name, owner, space).await?;
        }
        Ok(rows)
    }
}

/// Ben's role as it is, or as it becomes when it permits the administrator's scope as well.
pub(super) fn role(extended: bool) -> Role {
    let scopes = ROLE_SCOPES.into_iter().chain(extended.then_some(ROLE_EXTRA)).collect();
    // Level admin: it may permit scopes of the whole tenant. What it does permit is its scopes alone.
    Role { name: ROLE.to_owned(), level: Level::Admin, scopes, is_default: false }
}

/// Approves a scope for the page's client, as its consent page would.
///
/// # Errors
///
/// [`DemoFault::Store`].
pub(super) async fn approve(
    change: &mut Change,
    person: &Person,
    scopes: &ScopeNames,
    now: Seconds,
) -> Result<(), DemoFault> {
    Ok(change.approve(&person.id, PAGE_CLIENT, scopes, now).await?)
}

fn page_client(secret: &str, catalogue: &Catalogue, redirect_uri: &str) -> NewClient {
    let granted = ["automations", "automations.private", "admin.automations"];
    NewClient {
        id: PAGE_CLIENT.to_owned(),
        name: "Web console".to_owned(),
        secret: Some(hashed(secret)),
        redirect_uris: BTreeSet::from([redirect_uri.to_owned()]),
        grant_types: BTreeSet::from([GrantType::AuthorizationCode]),
        allow_list: granted.into_iter().filter(|name| catalogue.find(name).is_some()).collect(),
        trusted: false,
        introspects: false,
    }
}

fn operator_client(secret: &str) -> NewClient {
    NewClient {
        id: OPERATOR_CLIENT.to_owned(),
        name: "Demo operator".to_owned(),
        secret: Some(hashed(secret)),
        redirect_uris: BTreeSet::new(),
        grant_types: BTreeSet::from([GrantType::ClientCredentials]),
        // Nobody lets a role permit what is not permitted to himself.
        allow_list: role(true).scopes.union(&ScopeNames::parse("admin.roles")),
        trusted: false,
        introspects: false,
    }
}

fn hashed(secret: &str) -> ClientSecret {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, secret.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    ClientSecret(hash)
}

impl Person {
    fn new(login: &'static str, name: &'static str, role: &'static str) -> Result<Self, DemoFault> {
        let id = format!("usr_{}", random::identifier()?);
        Ok(Self { id, login, name, password: random::password()?, role })
    }

    fn new_user(&self) -> Result<NewUser, DemoFault> {
        let password = Password { hash: hash_password(&self.password)?, one_time: false };
        Ok(NewUser {
            id: self.id.clone(),
            login: self.login.to_owned(),
            name: self.name.to_owned(),
            password,
            roles: BTreeSet::from([self.role.to_owned()]),
        })
    }
}

impl std::fmt::Debug for Person {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Person").field("login", &self.login).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secrets(…)")
    }
}
