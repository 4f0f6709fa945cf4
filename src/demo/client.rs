//! The page as an OAuth client: the authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636, RFC 9700).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::exchange::{self, Answer, ExchangeFault};
use super::fault::DemoFault;
use super::random;

/// A confidential client (RFC 6749 §2.1).
#[derive(Clone)]
pub(super) struct Client {
    /// The issuer identifier of its authorization server.
    pub(super) issuer: String,
    /// `client_id`.
    pub(super) id: String,
    /// Its secret, made at the start of the demo.
    pub(super) secret: String,
    /// `redirect_uri`.
    pub(super) redirect_uri: String,
}

/// What an authorization server says of itself (RFC 8414 §2), as far as it is needed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

/// An authorization request that the browser was sent away with.
#[derive(Clone)]
pub(super) struct Pending {
    /// `state`: the answer belongs to this browser's request (RFC 6749 §10.12).
    state: String,
    /// `code_verifier`: whoever stole the code cannot redeem it (RFC 7636 §4.1).
    verifier: String,
}

/// What to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    /// `scope`; `None` asks for nothing new.
    pub(super) scope: Option<String>,
    /// Whether somebody else is to log in (`prompt=login`).
    pub(super) login: bool,
}

/// The parameters with which the browser comes back (RFC 6749 §4.1.2, RFC 9207).
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Callback {
    pub(super) state: Option<String>,
    pub(super) code: Option<String>,
    pub(super) iss: Option<String>,
    pub(super) error: Option<String>,
}

/// A successful token response (RFC 6749 §5.1).
#[derive(Clone, Deserialize)]
pub(super) struct Granted {
    pub(super) access_token: String,
    #[serde(default)]
    pub(super) scope: String,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientFault {
    #[error("the answer belongs to no request that this browser was sent away with")]
    State,
    #[error("the answer names another authorization server than the one that was asked")]
    Issuer,
    #[error("the authorization server's metadata names another issuer than its address")]
    Metadata,
    #[error("the authorization server answered `{0}`")]
    Refused(String),
    #[error("the token endpoint answered {0}")]
    TokenEndpoint(StatusCode),
    #[error("the Roles API answered {0}")]
    RolesApi(StatusCode),
    #[error("the authorization server gave no answer that can be used")]
    Exchange(#[from] ExchangeFault),
    #[error("a request could not be written")]
    Request(#[from] http::Error),
    #[error(transparent)]
    Random(#[from] DemoFault),
}

impl Client {
    /// Begins the grant: where to send the browser, and what to remember until it comes back.
    ///
    /// # Errors
    ///
    /// [`ClientFault`] when the metadata cannot be had.
    pub(super) async fn begin(&self, ask: &Ask) -> Result<(String, Pending), ClientFault> {
        let metadata = self.metadata().await?;
        let pending = Pending { state: random::secret()?, verifier: random::secret()? };
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("state", &pending.state)
            .append_pair("code_challenge", &random::hash(&pending.verifier))
            .append_pair("code_challenge_method", "S256");
        if let Some(scope) = &ask.scope {
            query.append_pair("scope", scope);
        }
        if ask.login {
            query.append_pair("prompt", "login");
        }
        Ok((format!("{}?{}", metadata.authorization_endpoint, query.finish()), pending))
    }

    /// Ends the grant: checks what the browser brought back, and redeems the code.
    ///
    /// # Errors
    ///
    /// [`ClientFault`]; the request that is pending is spent either way.
    pub(super) async fn finish(&self, pending: Option<Pending>, callback: Callback) -> Result<Granted, ClientFault> {
        let pending = pending.filter(|pending| callback.state.as_ref() == Some(&pending.state));
        let pending = pending.ok_or(ClientFault::State)?;
        // RFC 9207 §2.4: before anything else of the answer is believed, an error too.
        if callback.iss.as_ref() != Some(&self.issuer) {
            return Err(ClientFault::Issuer);
        }
        let code = match (callback.code, callback.error) {
            (Some(code), None) => code,
            (_, error) => return Err(ClientFault::Refused(error.unwrap_or_else(|| "neither code nor error".into()))),
        };
        self.redeem(&code, &pending.verifier).await
    }

    /// Redeems a code (RFC 6749 §4.1.3).
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub(super) async fn redeem(&self, code: &str, verifier: &str) -> Result<Granted, ClientFault> {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        self.token(&parameters).await
    }

    /// Asks for a token of the client's own (RFC 6749 §4.4).
    ///
    /// # Errors
    ///
    /// [`ClientFault`].
    pub(super) async fn own_token(&self, scope: &str) -> Result<Granted, ClientFault> {
        self.token(&[("grant_type", "client_credentials"), ("scope", scope)]).await
    }

    async fn token(&self, parameters: &[(&str, &str)]) -> Result<Granted, ClientFault> {
        let metadata = self.metadata().await?;
        let content = Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = Request::post(metadata.token_endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, basic(&self.id, &self.secret))
            .body(content)?;
        let answer = exchange::send(request).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.json()?),
            status => Err(refusal(&answer).map_or(ClientFault::TokenEndpoint(status), ClientFault::Refused)),
        }
    }

    async fn metadata(&self) -> Result<Metadata, ClientFault> {
        let uri = format!("{}/.well-known/oauth-authorization-server", self.issuer);
        let metadata: Metadata = read(Request::get(uri).body(String::new())?).await?;
        // RFC 8414 §3.3: or another server's endpoints could be given out as this one's.
        if metadata.issuer == self.issuer { Ok(metadata) } else { Err(ClientFault::Metadata) }
    }
}

async fn read<T: DeserializeOwned>(request: Request<String>) -> Result<T, ClientFault> {
    Ok(exchange::send(request).await?.json()?)
}

/// The `error` of RFC 6749 §5.2.
fn refusal(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    answer.json::<Refusal>().ok().map(|refusal| refusal.error)
}

/// RFC 6749 §2.3.1: both are form-encoded before they are put together.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Client").field("issuer", &self.issuer).field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Granted").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            issuer: "http://127.0.0.1:1".into(),
            id: "a b".into(),
            secret: "c:d".into(),
            redirect_uri: "http://127.0.0.1:2/callback".into(),
        }
    }

    #[test]
    fn rfc_6749_2_3_1_identifier_and_secret_are_encoded_first() {
        assert_eq!(basic("a b", "c:d"), format!("Basic {}", STANDARD.encode("a+b:c%3Ad")));
    }

    #[tokio::test]
    async fn what_comes_back_is_compared_before_it_is_used() {
        let pending = || Some(Pending { state: "s".into(), verifier: "v".into() });
        let callback = |state: &str, iss: &str, error: Option<&str>| Callback {
            state: Some(state.into()),
            code: error.is_none().then(|| "c".into()),
            iss: Some(iss.into()),
            error: error.map(str::to_owned),
        };
        let issuer = "http://127.0.0.1:1";
        for (name, pending, callback, expected) in [
            ("no request", None, callback("s", issuer, None), "no request"),
            ("another state", pending(), callback("t", issuer, None), "no request"),
            ("no state", pending(), Callback { state: None, ..callback("s", issuer, None) }, "no request"),
            ("another issuer", pending(), callback("s", "http://127.0.0.1:9", None), "another authorization server"),
            ("a final slash", pending(), callback("s", "http://127.0.0.1:1/", None), "another authorization server"),
            (
                "no issuer",
                pending(),
                Callback { iss: None, ..callback("s", issuer, None) },
                "another authorization server",
            ),
            ("a mixed-up error", pending(), callback("s", "x", Some("access_denied")), "another authorization server"),
            ("a refusal", pending(), callback("s", issuer, Some("access_denied")), "`access_denied`"),
            ("all well, and nobody there", pending(), callback("s", issuer, None), "no answer"),
        ] {
            let fault = client().finish(pending, callback).await.expect_err(name).to_string();
            assert!(fault.contains(expected), "{name}: {fault}");
        }
    }
}
