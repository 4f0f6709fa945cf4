//! Which client asks, and whether it is that one (RFC 6749 §2.3): `client_secret_basic`, `client_secret_post`, or `none` for public clients.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::AuthorizationServer;
use super::events;
use super::fault::OAuthFault;
use super::parameters::Parameters;
use crate::store::Client;

/// A client that is what it says, as far as its kind can show: a confidential one knew its secret, a public one has none.
#[derive(Debug)]
pub(super) struct AuthenticatedClient(Client);

impl AuthenticatedClient {
    /// The client.
    pub(super) fn client(&self) -> &Client {
        &self.0
    }

    /// Whether it showed a secret (RFC 6749 §2.1); otherwise anybody can be it.
    pub(super) fn is_confidential(&self) -> bool {
        self.0.secret.is_some()
    }
}

/// What a request shows of its client.
struct Credentials {
    client: String,
    secret: Option<String>,
}

/// Finds the client of a request and checks its secret.
///
/// # Errors
///
/// [`OAuthFault::InvalidRequest`] for several ways at once, [`OAuthFault::InvalidClient`], [`OAuthFault::TooManyAttempts`] after
/// too many failures.
pub(super) async fn authenticate(
    server: &AuthorizationServer,
    peer: IpAddr,
    fields: &HeaderMap,
    parameters: &Parameters,
) -> Result<AuthenticatedClient, OAuthFault> {
    let shown = credentials(fields, parameters)?;
    server.attempts.may_authenticate(peer, &shown.client).map_err(OAuthFault::TooManyAttempts)?;
    let client = server.store.client(&shown.client).await?;
    let is_proven = is_proven(client.as_ref(), shown.secret.as_deref());
    match client {
        Some(client) if is_proven => Ok(AuthenticatedClient(client)),
        known @ (Some(_) | None) => {
            server.attempts.authentication_failed(peer, &shown.client);
            events::client_not_authenticated(known.as_ref().map(|client| &*client.id), peer);
            Err(OAuthFault::InvalidClient)
        }
    }
}

/// As [`authenticate`], for endpoints that are not for public clients (RFC 7662 §2.1).
///
/// # Errors
///
/// As [`authenticate`].
pub(super) async fn authenticate_confidential(
    server: &AuthorizationServer,
    peer: IpAddr,
    fields: &HeaderMap,
    parameters: &Parameters,
) -> Result<AuthenticatedClient, OAuthFault> {
    let client = authenticate(server, peer, fields, parameters).await?;
    if client.is_confidential() { Ok(client) } else { Err(OAuthFault::InvalidClient) }
}

/// Whether the client is there and what was shown is what its kind must show. How long this takes tells nothing of the secret.
fn is_proven(client: Option<&Client>, shown: Option<&str>) -> bool {
    let kept = client.and_then(|client| client.secret).map_or([0; 32], |secret| secret.0);
    let matches =
        verify_slices_are_equal(&kept, digest(&SHA256, shown.unwrap_or_default().as_bytes()).as_ref()).is_ok();
    match client {
        Some(Client { secret: Some(_), .. }) => shown.is_some() && matches,
        // A secret shown for a client that has none is a mistake that must not go unnoticed.
        Some(Client { secret: None, .. }) => shown.is_none(),
        None => false,
    }
}

fn credentials(fields: &HeaderMap, parameters: &Parameters) -> Result<Credentials, OAuthFault> {
    if ["client_assertion", "client_assertion_type"].into_iter().any(|name| parameters.get(name).is_some()) {
        return Err(OAuthFault::InvalidClient);
    }
    let (named, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
    let Some(basic) = basic(fields)? else {
        let client = named.ok_or(OAuthFault::InvalidClient)?.to_owned();
        return Ok(Credentials { client, secret: secret.map(str::to_owned) });
    };
    // RFC 6749 §2.3: a client does not use more than one way in a request.
    if secret.is_some() {
        return Err(OAuthFault::InvalidRequest("the client authenticates in two ways"));
    }
    if named.is_some_and(|named| named != basic.client) {
        return Err(OAuthFault::InvalidRequest("two clients are named"));
    }
    Ok(basic)
}

/// RFC 6749 §2.3.1 over RFC 7617 §2: identifier and secret, each form-encoded, between them a colon.
fn basic(fields: &HeaderMap) -> Result<Option<Credentials>, OAuthFault> {
    let mut values = fields.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OAuthFault::InvalidRequest("there are several `Authorization` fields"));
    }
    let read = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        // RFC 9110 §11.1: schemes compare without case.
        let encoded = scheme.eq_ignore_ascii_case("Basic").then(|| encoded.trim_start_matches(' '))?;
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (client, secret) = decoded.split_once(':')?;
        Some(Credentials { client: form_decoded(client)?, secret: Some(form_decoded(secret)?) })
    };
    read().map(Some).ok_or(OAuthFault::InvalidClient)
}

/// One form-encoded value (RFC 6749 appendix B). `&` separates pairs in a form; a client that left it bare meant the letter.
fn form_decoded(text: &str) -> Option<String> {
    let pair = format!("v={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::store::{ClientSecret, ScopeNames};

    fn shown(authorization: &[&str], form: &str) -> Result<(String, Option<String>), &'static str> {
        let mut fields = HeaderMap::new();
        for value in authorization {
            fields.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let parameters = Parameters::parse(form.as_bytes()).unwrap();
        credentials(&fields, &parameters).map(|shown| (shown.client, shown.secret)).map_err(|fault| fault.code().1)
    }

    fn basic_field(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn rfc_6749_2_3_1_credentials_are_form_encoded_in_basic() {
        for (text, expected) in [
            ("app:secret", Ok(("app", "secret"))),
            ("app:se:cret", Ok(("app", "se:cret"))),
            ("a%3Ab:p%25+%2B%26%3D", Ok(("a:b", "p% +&="))),
            ("app:a&b=c", Ok(("app", "a&b=c"))),
            ("app:%C3%A4", Ok(("app", "ä"))),
            ("app:", Ok(("app", ""))),
            ("app", Err("invalid_client")),
        ] {
            let owned = expected.map(|(client, secret)| (client.to_owned(), Some(secret.to_owned())));
            assert_eq!(shown(&[&basic_field(text)], ""), owned, "`{text}`");
        }
        for field in ["Basic", "Basic ====", "Basic /w==", "Bearer abc", "Digest a=b", "basic"] {
            assert_eq!(shown(&[field], "client_id=app"), Err("invalid_client"), "`{field}`");
        }
        assert_eq!(shown(&[&basic_field("app:s").replace("Basic", "bASIC")], ""), Ok(("app".into(), Some("s".into()))));
    }

    #[test]
    fn rfc_6749_2_3_one_way_to_authenticate_in_a_request() {
        let field = basic_field("app:secret");
        let both = Ok(("app".to_owned(), Some("secret".to_owned())));
        for (authorization, form, expected) in [
            (vec![&*field], "client_id=app", both.clone()),
            (vec![], "client_id=app&client_secret=secret", both),
            (vec![], "client_id=app", Ok(("app".to_owned(), None))),
            (vec![], "client_id=app&client_secret=", Ok(("app".to_owned(), None))),
            (vec![&*field], "client_secret=secret", Err("invalid_request")),
            (vec![&*field], "client_id=other", Err("invalid_request")),
            (vec![&*field, &*field], "", Err("invalid_request")),
            (vec![], "client_secret=secret", Err("invalid_client")),
            (vec![], "", Err("invalid_client")),
            (vec![], "client_id=app&client_assertion=a.b.c", Err("invalid_client")),
        ] {
            assert_eq!(shown(&authorization, form), expected, "{authorization:?} {form}");
        }
    }

    #[test]
    fn a_client_shows_what_its_kind_has() {
        let kept = digest(&SHA256, b"secret").as_ref().try_into().unwrap();
        let client = |secret: Option<[u8; 32]>| Client {
            id: "app".into(),
            name: "App".into(),
            secret: secret.map(ClientSecret),
            redirect_uris: [].into(),
            grant_types: [].into(),
            allow_list: ScopeNames::default(),
            trusted: false,
            introspects: false,
            created_at: 0,
        };
        let (confidential, public, zeros) = (client(Some(kept)), client(None), client(Some([0; 32])));
        for (client, shown, expected) in [
            (Some(&confidential), Some("secret"), true),
            (Some(&confidential), Some("Secret"), false),
            (Some(&confidential), Some(""), false),
            (Some(&confidential), None, false),
            (Some(&public), None, true),
            (Some(&public), Some(""), false),
            (Some(&public), Some("secret"), false),
            (Some(&zeros), None, false),
            (None, Some("secret"), false),
            (None, None, false),
        ] {
            assert_eq!(is_proven(client, shown), expected, "{client:?} {shown:?}");
        }
    }
}
