//! Clients (RFC 6749 §2) and their allow lists.

use std::collections::BTreeSet;
use std::fmt;

use super::{Change, ScopeNames, Seconds, Store, StoreFault};

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
    /// See [`Client::redirect_uris`].
    pub redirect_uris: Option<BTreeSet<String>>,
    /// See [`Client::grant_types`].
    pub grant_types: Option<BTreeSet<GrantType>>,
    /// A scope that is taken from it leaves the client's refresh tokens too, and writes an entry of the feed.
    pub allow_list: Option<ScopeNames>,
    /// See [`Client::trusted`]; taking trust away writes an entry of the feed.
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
        todo!()
    }

    /// Lists clients by ascending identifier, after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn clients(&self, after: &str, limit: u32) -> Result<Vec<Client>, StoreFault> {
        todo!()
    }
}

impl Change {
    /// See [`Store::client`].
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn client(&mut self, id: &str) -> Result<Option<Client>, StoreFault> {
        todo!()
    }

    /// Makes a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for an identifier that is taken, also by a user.
    pub async fn add_client(&mut self, client: &NewClient, now: Seconds) -> Result<Client, StoreFault> {
        todo!()
    }

    /// Changes a client, and takes away what that takes away.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`].
    pub async fn change_client(&mut self, id: &str, change: &ClientChange, now: Seconds) -> Result<Client, StoreFault> {
        todo!()
    }

    /// Replaces a client's secret; the old one is worth nothing from then on. `None` makes the client public.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`].
    pub async fn set_client_secret(&mut self, id: &str, secret: Option<ClientSecret>) -> Result<(), StoreFault> {
        todo!()
    }

    /// Removes a client with approvals, codes and tokens, and writes the entry of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`].
    pub async fn remove_client(&mut self, id: &str, now: Seconds) -> Result<(), StoreFault> {
        todo!()
    }
}
