//! A database in a folder of its own, with a user, a client and what they hold, for the tests of this room.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// The time of the samples.
pub(super) const NOW: Seconds = 1_700_000_000;
/// The longest lifetime of an access token.
pub(super) const LIFETIME: Seconds = 300;
pub(super) const ANN: &str = "usr_ann";
pub(super) const BOB: &str = "usr_bob";
pub(super) const APP: &str = "app";
pub(super) const JOB: &str = "job";

pub(super) struct Sample {
    pub(super) folder: TempDir,
    pub(super) store: Store,
}

impl Sample {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("scopegate.db")
    }

    /// A second one on the same file, as another process has it.
    pub(super) async fn another(&self) -> Store {
        Store::open(&self.path(), LIFETIME).await.unwrap().0
    }

    /// Everything that the feed says at [`NOW`].
    pub(super) async fn feed(&self) -> Vec<FeedEntry> {
        self.store.feed(0, 1000, NOW).await.unwrap().entries
    }
}

pub(super) async fn empty() -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let (store, opened) = Store::open(&folder.path().join("scopegate.db"), LIFETIME).await.unwrap();
    assert_eq!(opened, Opened::New);
    Sample { folder, store }
}

/// Ann with the role `Analyst`, Bob with `Analyst` and `Writer`, the clients `app` and `job`.
pub(super) async fn filled() -> Sample {
    let sample = empty().await;
    let mut change = sample.store.change().await.unwrap();
    for name in ["Analyst", "Writer"] {
        change.add_role(&role(name, "automations:read")).await.unwrap();
    }
    change.add_user(&new_user(ANN, "ann", &["Analyst"]), NOW).await.unwrap();
    change.add_user(&new_user(BOB, "bob", &["Analyst", "Writer"]), NOW).await.unwrap();
    for id in [APP, JOB] {
        change.add_client(&new_client(id), NOW).await.unwrap();
    }
    change.commit().await.unwrap();
    sample
}

pub(super) fn role(name: &str, scopes: &str) -> Role {
    Role { name: name.to_owned(), level: Level::User, scopes: ScopeNames::parse(scopes), is_default: false }
}

pub(super) fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn password(hash: &str) -> Password {
    Password { hash: hash.to_owned(), one_time: false }
}

pub(super) fn new_user(id: &str, login: &str, roles: &[&str]) -> NewUser {
    NewUser {
        id: id.to_owned(),
        login: login.to_owned(),
        name: "A person".to_owned(),
        password: password("$argon2id$"),
        roles: texts(roles),
    }
}

pub(super) fn new_client(id: &str) -> NewClient {
    NewClient {
        id: id.to_owned(),
        name: "An application".to_owned(),
        secret: Some(ClientSecret([7; 32])),
        redirect_uris: texts(&["https://app.example.com/callback"]),
        grant_types: GrantType::ALL.into_iter().collect(),
        allow_list: ScopeNames::parse("apps:read automations offline_access"),
        trusted: false,
        introspects: false,
    }
}

pub(super) fn code(hash: &str, user: &str, client: &str) -> Code {
    Code {
        hash: hash.to_owned(),
        family: format!("family of {hash}"),
        client: client.to_owned(),
        user: user.to_owned(),
        redirect_uri: "https://app.example.com/callback".to_owned(),
        code_challenge: "challenge".to_owned(),
        requested: ScopeNames::parse("automations offline_access"),
        resources: vec!["https://b.example.com".to_owned(), "https://a.example.com".to_owned()],
        nonce: Some("nonce".to_owned()),
        authenticated_at: NOW - 5,
        expires_at: NOW + 60,
    }
}

pub(super) fn refresh_token(hash: &str, family: &str, user: &str, client: &str) -> RefreshToken {
    RefreshToken {
        hash: hash.to_owned(),
        family: family.to_owned(),
        client: client.to_owned(),
        user: user.to_owned(),
        scope: ScopeNames::parse("apps:read automations offline_access"),
        resources: Vec::new(),
        authenticated_at: NOW - 5,
        issued_at: NOW,
        expires_at: NOW + 3600,
    }
}

pub(super) fn access_token(jti: &str, family: Option<&str>, subject: &str, client: &str) -> AccessToken {
    AccessToken {
        jti: jti.to_owned(),
        family: family.map(str::to_owned),
        subject: subject.to_owned(),
        client: client.to_owned(),
        scope: ScopeNames::parse("automations"),
        issued_at: NOW,
        expires_at: NOW + LIFETIME,
    }
}

/// The entry that names a subject, a client or both up to [`NOW`].
pub(super) fn issued_before_now(subject: Option<&str>, client: Option<&str>) -> FeedEntry {
    FeedEntry::IssuedBefore {
        subject: subject.map(str::to_owned),
        client: client.map(str::to_owned),
        issued_before: NOW,
        exp: NOW + LIFETIME,
    }
}

pub(super) fn token_entry(jti: &str) -> FeedEntry {
    FeedEntry::Token { jti: jti.to_owned(), exp: NOW + LIFETIME }
}
