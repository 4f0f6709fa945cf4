//! Clients (RFC 6749 §2) and their allow lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::revocations::Named;
use super::users::USER_PREFIX;
use super::{Change, ScopeNames, Seconds, Store, StoreFault, lists};

/// A way to a token that a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl GrantType {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials];

    /// As the `grant_type` parameter spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Reads what [`GrantType::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant_type| grant_type.as_str() == text)
    }
}

/// The SHA-256 of a generated secret of 256 bits. Debug shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientSecret(pub [u8; 32]);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `client_id`; never begins with `usr_`.
    pub id: String,
    /// For people to read.
    pub name: String,
    /// `None` for a public client (RFC 6749 §2.1).
    pub secret: Option<ClientSecret>,
    /// Compared byte for byte (RFC 9700 §2.1).
    pub redirect_uris: BTreeSet<String>,
    /// What it may ask a token with.
    pub grant_types: BTreeSet<GrantType>,
    /// Nothing outside it is ever granted.
    pub allow_list: ScopeNames,
    /// Whether its whole allow list counts as approved.
    pub trusted: bool,
    /// Whether it may introspect tokens of other clients: a protected resource (RFC 7662 §2.1), such as the gateway.
    pub introspects: bool,
    /// When it was made.
    pub created_at: Seconds,
}

/// A client to be made: [`Client`] without its age.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// See [`Client::id`].
    pub id: String,
    /// See [`Client::name`].
    pub name: String,
    /// See [`Client::secret`].
    pub secret: Option<ClientSecret>,
    /// See [`Client::redirect_uris`].
    pub redirect_uris: BTreeSet<String>,
    /// See [`Client::grant_types`].
    pub grant_types: BTreeSet<GrantType>,
    /// See [`Client::allow_list`].
    pub allow_list: ScopeNames,
    /// See [`Client::trusted`].
    pub trusted: bool,
    /// See [`Client::introspects`].
    pub introspects: bool,
}

/// What to change of a client; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ClientChange {
    /// See [`Client::name`].
    pub name: Option<String>,
    /// See [`Client::redirect_uris`]; taking one away ends the codes that were not redeemed yet.
    pub redirect_uris: Option<BTreeSet<String>>,
    /// See [`Client::grant_types`]; taking one away ends what the client got by it: refresh tokens, or codes and access tokens, these
    /// with an entry of the feed.
    pub grant_types: Option<BTreeSet<GrantType>>,
    /// A scope that is taken from it leaves the client's refresh tokens too, and writes an entry of the feed.
    pub allow_list: Option<ScopeNames>,
    /// See [`Client::trusted`]; taking trust away leaves to refresh tokens what the user approved, and writes an entry of the feed.
    pub trusted: Option<bool>,
    /// See [`Client::introspects`].
    pub introspects: Option<bool>,
}

impl Store {
    /// Finds a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn client(&self, id: &str) -> Result<Option<Client>, StoreFault> {
        find_client(&mut *self.readers.acquire().await?, id).await
    }

    /// Lists clients by ascending identifier, after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn clients(&self, after: &str, limit: u32) -> Result<Vec<Client>, StoreFault> {
        sqlx::query("SELECT * FROM clients WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(read_client)
            .collect()
    }
}

impl Change {
    /// See [`Store::client`].
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn client(&mut self, id: &str) -> Result<Option<Client>, StoreFault> {
        find_client(&mut self.transaction, id).await
    }

    /// Makes a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for an identifier that is taken, also by a user, or begins with `usr_` as every user's does.
    pub async fn add_client(&mut self, client: &NewClient, now: Seconds) -> Result<Client, StoreFault> {
        if client.id.starts_with(USER_PREFIX) || self.is_identifier_taken(&client.id).await? {
            return Err(StoreFault::Exists("identifier"));
        }
        sqlx::query(
            "INSERT INTO clients (id, name, secret_hash, redirect_uris, grant_types, allow_list, trusted, introspects,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&client.id)
        .bind(&client.name)
        .bind(client.secret.map(|secret| URL_SAFE_NO_PAD.encode(secret.0)))
        .bind(lists::write(client.redirect_uris.iter().map(String::as_str)))
        .bind(lists::write(client.grant_types.iter().map(|grant_type| grant_type.as_str())))
        .bind(lists::write(client.allow_list.iter()))
        .bind(client.trusted)
        .bind(client.introspects)
        .bind(now)
        .execute(&mut *self.transaction)
        .await?;
        require(find_client(&mut self.transaction, &client.id).await?)
    }

    /// Changes a client, and takes away what that takes away.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`].
    pub async fn change_client(&mut self, id: &str, change: &ClientChange, now: Seconds) -> Result<Client, StoreFault> {
        let before = require(find_client(&mut self.transaction, id).await?)?;
        let after = changed(before.clone(), change);
        sqlx::query(
            "UPDATE clients SET name = $1, redirect_uris = $2, grant_types = $3, allow_list = $4, trusted = $5,
                 introspects = $6
             WHERE id = $7",
        )
        .bind(&after.name)
        .bind(lists::write(after.redirect_uris.iter().map(String::as_str)))
        .bind(lists::write(after.grant_types.iter().map(|grant_type| grant_type.as_str())))
        .bind(lists::write(after.allow_list.iter()))
        .bind(after.trusted)
        .bind(after.introspects)
        .bind(id)
        .execute(&mut *self.transaction)
        .await?;
        self.take_from_client(&before, &after, now).await?;
        Ok(after)
    }

    /// Replaces a client's secret; the old one is worth nothing from then on. `None` makes the client public.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`].
    pub async fn set_client_secret(&mut self, id: &str, secret: Option<ClientSecret>) -> Result<(), StoreFault> {
        let set = sqlx::query("UPDATE clients SET secret_hash = $1 WHERE id = $2")
            .bind(secret.map(|secret| URL_SAFE_NO_PAD.encode(secret.0)))
            .bind(id)
            .execute(&mut *self.transaction)
            .await?;
        if set.rows_affected() == 0 { Err(StoreFault::Missing("client")) } else { Ok(()) }
    }

    /// Removes a client with approvals, codes and tokens, and writes the entry of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`].
    pub async fn remove_client(&mut self, id: &str, now: Seconds) -> Result<(), StoreFault> {
        require_client(&mut self.transaction, id).await?;
        // Before the row, with which tokens, approvals and codes go: the entry lasts as long as the tokens.
        self.withdraw(Named::Client(id), now).await?;
        sqlx::query("DELETE FROM clients WHERE id = $1").bind(id).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// What users approved for a client, all of them together.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn approved_by_anybody(&mut self, client: &str) -> Result<ScopeNames, StoreFault> {
        let scopes: Vec<String> = sqlx::query_scalar("SELECT DISTINCT scope FROM approvals WHERE client_id = $1")
            .bind(client)
            .fetch_all(&mut *self.transaction)
            .await?;
        Ok(scopes.into_iter().collect())
    }

    /// Ends what the client had before and has no more.
    async fn take_from_client(&mut self, before: &Client, after: &Client, now: Seconds) -> Result<(), StoreFault> {
        let loses = |way: GrantType| before.grant_types.contains(&way) && !after.grant_types.contains(&way);
        let loses_codes = loses(GrantType::AuthorizationCode);
        if loses_codes || !before.redirect_uris.is_subset(&after.redirect_uris) {
            let end = sqlx::query("DELETE FROM codes WHERE client_id = $1 AND NOT redeemed").bind(&after.id);
            end.execute(&mut *self.transaction).await?;
        }
        if loses(GrantType::RefreshToken) {
            let end = sqlx::query("DELETE FROM refresh_tokens WHERE client_id = $1").bind(&after.id);
            end.execute(&mut *self.transaction).await?;
        }
        let loses_tokens = loses_codes || loses(GrantType::ClientCredentials);
        let loses_trust = before.trusted && !after.trusted;
        if !loses_tokens && !loses_trust && before.allow_list.is_subset_of(&after.allow_list) {
            return Ok(());
        }
        let approved = self.approved_by_user(&after.id).await?;
        let nothing = ScopeNames::default();
        self.narrow_refresh_tokens(&after.id, None, |token| {
            // What was granted on trust alone goes with the trust.
            let approved = if loses_trust { approved.get(&token.user).unwrap_or(&nothing) } else { &token.scope };
            approved.intersection(&after.allow_list)
        })
        .await?;
        self.withdraw(Named::Client(&after.id), now).await
    }

    async fn approved_by_user(&mut self, client: &str) -> Result<BTreeMap<String, ScopeNames>, StoreFault> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT user_id, scope FROM approvals WHERE client_id = $1")
            .bind(client)
            .fetch_all(&mut *self.transaction)
            .await?;
        let mut approved = BTreeMap::<String, ScopeNames>::new();
        for (user, scope) in rows {
            approved.entry(user).or_default().insert(&scope);
        }
        Ok(approved)
    }
}

pub(super) async fn require_client(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreFault> {
    let is_there = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM clients WHERE id = $1)")
        .bind(id)
        .fetch_one(connection)
        .await?;
    if is_there { Ok(()) } else { Err(StoreFault::Missing("client")) }
}

async fn find_client(connection: &mut SqliteConnection, id: &str) -> Result<Option<Client>, StoreFault> {
    let row = sqlx::query("SELECT * FROM clients WHERE id = $1").bind(id).fetch_optional(connection).await?;
    row.map(|row| read_client(&row)).transpose()
}

fn read_client(row: &SqliteRow) -> Result<Client, StoreFault> {
    let secret: Option<String> = row.try_get("secret_hash")?;
    let grant_types: Vec<String> = lists::read(row, "grant_types", "clients")?;
    Ok(Client {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        secret: secret.map(|secret| read_secret(&secret)).transpose()?,
        redirect_uris: lists::read(row, "redirect_uris", "clients")?,
        grant_types: grant_types
            .iter()
            .map(|grant_type| GrantType::parse(grant_type).ok_or(StoreFault::Unreadable("clients")))
            .collect::<Result<_, _>>()?,
        allow_list: lists::read(row, "allow_list", "clients")?,
        trusted: row.try_get("trusted")?,
        introspects: row.try_get("introspects")?,
        created_at: row.try_get("created_at")?,
    })
}

fn read_secret(text: &str) -> Result<ClientSecret, StoreFault> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(ClientSecret).ok_or(StoreFault::Unreadable("clients"))
}

fn changed(client: Client, change: &ClientChange) -> Client {
    let change = change.clone();
    Client {
        name: change.name.unwrap_or(client.name),
        redirect_uris: change.redirect_uris.unwrap_or(client.redirect_uris),
        grant_types: change.grant_types.unwrap_or(client.grant_types),
        allow_list: change.allow_list.unwrap_or(client.allow_list),
        trusted: change.trusted.unwrap_or(client.trusted),
        introspects: change.introspects.unwrap_or(client.introspects),
        ..client
    }
}

fn require(client: Option<Client>) -> Result<Client, StoreFault> {
    client.ok_or(StoreFault::Missing("client"))
}
