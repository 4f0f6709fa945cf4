//! `explain --token`: what a token says, verified where its keys are at hand.
//!
//! The claims are read leniently, so that a token that would be refused can be explained all the same; whether the
//! gateway would believe it is decided by its own rules.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::clock::Clock;
use crate::config::Gateway;
use crate::policy::{Denial, Presented, PresentedClient, Reason};
use crate::token::{BearerToken, ClientOnly, IssuerRules, JwkSet, Jwt, JwtParts, TokenFault, TrustedIssuer};
use crate::verify::{IssuerSettings, KeySource};

use super::fault::Fault;
use super::loaded::Loaded;

/// The claims of a token that was shown, as far as policy reads them.
#[derive(Debug)]
pub(super) struct Bearer {
    scope: String,
    roles: Vec<String>,
    client: Option<String>,
    alone: bool,
    /// Whether signature and claims were verified.
    pub(super) verified: bool,
    /// Why the gateway would refuse the token itself.
    pub(super) refused: Option<Reason>,
}

impl Bearer {
    /// The bearer's side of a decision.
    pub(super) fn presented(&self) -> Presented<'_> {
        Presented {
            scope: &self.scope,
            roles: self.roles.iter().map(String::as_str).collect(),
            client: self.client.as_deref().map_or(PresentedClient::Unnamed, PresentedClient::Named),
            alone: self.alone,
        }
    }

    fn of(claims: &Value, rules: Option<&IssuerRules>) -> Self {
        let default = ["/scope", "/scp", "/client_id", "/azp"].map(str::to_owned);
        let (scopes, clients) = default.split_at(2);
        let scopes = rules.map_or(scopes, |rules| &rules.scope_pointers);
        let clients = rules.map_or(clients, |rules| &rules.client_pointers);
        let roles = rules.map_or("/roles", |rules| &rules.roles_pointer);
        let client = texts(claims, clients).into_iter().next();
        let subject = texts(claims, &["/sub".to_owned()]).into_iter().next();
        let client_only =
            rules.and_then(|rules| rules.client_only.as_ref()).is_some_and(|mark| is_marked(claims, mark));
        Self {
            scope: texts(claims, scopes).join(" "),
            roles: texts(claims, &[roles.to_owned()]),
            alone: client_only || subject.is_none() || subject == client,
            client,
            verified: false,
            refused: None,
        }
    }
}

/// Reads a token, and verifies it where `loaded` is a gateway that has its keys in a file.
///
/// # Errors
///
/// What is no JWT says nothing that could be explained; a key file may be gone since it was loaded.
pub(super) fn read(loaded: &Loaded, token: &str) -> Result<Bearer, Fault> {
    let claims = claims(token).ok_or_else(|| Fault::call(unreadable(loaded, token)))?;
    let Loaded::Gateway(gateway) = loaded else { return Ok(Bearer::of(&claims, None)) };
    let issuer = gateway.issuers.iter().find(|issuer| claims.get("iss") == Some(&Value::from(&*issuer.rules.issuer)));
    let mut bearer = Bearer::of(&claims, issuer.map(|issuer| &issuer.rules));
    match verify(gateway, issuer, token)? {
        Ok(verified) => bearer.verified = verified,
        Err(denial) => bearer.refused = Some(denial.reason()),
    }
    Ok(bearer)
}

/// What is said of a token that has no claims to explain.
fn unreadable(loaded: &Loaded, token: &str) -> String {
    let Loaded::Gateway(gateway) = loaded else { return "the token is no JWT: there are no claims to explain".into() };
    // Two dots make a JWT, however broken: nobody is asked about it.
    let asked = gateway.issuers.iter().filter(|_| token.matches('.').count() != 2).find(|issuer| {
        let settings = issuer.introspection.as_ref();
        settings.is_some_and(|settings| settings.prefix.as_deref().is_none_or(|prefix| token.starts_with(prefix)))
    });
    match asked {
        Some(issuer) => format!(
            "the token is no JWT: issuer `{}` would be asked about it, and only the issuer can say what it holds",
            issuer.rules.issuer
        ),
        None => "the token is no JWT: there are no claims to explain".into(),
    }
}

/// Whether the token is verified; `false` if all but its signature was, because the keys are not at hand.
fn verify(gateway: &Gateway, issuer: Option<&IssuerSettings>, token: &str) -> Result<Result<bool, Denial>, Fault> {
    let keys = match issuer.map(|issuer| &issuer.keys) {
        Some(KeySource::File(path)) => Some(fs::read(path).map_err(|error| Fault::read(path, error))?),
        Some(KeySource::Remote { .. }) | None => None,
    };
    let mut fields = HeaderMap::new();
    let field = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Fault::call("the token is no text"))?;
    fields.insert(AUTHORIZATION, field);
    Ok(BearerToken::from_fields(&fields, gateway.limits.token_bytes).map_err(Denial::Credential).and_then(|token| {
        let rules = issuer.map(|issuer| TrustedIssuer::new(&issuer.rules));
        let verified =
            JwtParts::split(token).and_then(|parts| check(gateway, &parts.read()?, rules.as_ref(), keys.as_deref()));
        verified.map_err(Denial::Token)
    }))
}

fn check(
    gateway: &Gateway,
    token: &Jwt<'_>,
    issuer: Option<&TrustedIssuer>,
    keys: Option<&[u8]>,
) -> Result<bool, TokenFault> {
    let token = token.check(issuer, Clock::system().now(), |client| gateway.table.acts_alone(client))?;
    let Some(keys) = keys.and_then(|text| JwkSet::read(text).ok()) else { return Ok(false) };
    let fitting: Vec<_> = keys.keys.iter().filter(|key| key.fits(token.algorithm(), token.key_id())).collect();
    if fitting.is_empty() {
        return Err(TokenFault::UnknownKey);
    }
    token.verify(fitting).map(|_| true)
}

/// The payload as JSON; `None` for what is no JWS of a JSON object.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.is_object().then_some(claims)
}

/// Every text that the pointers lead to, of lists each entry.
fn texts(claims: &Value, pointers: &[String]) -> Vec<String> {
    let found = pointers.iter().filter_map(|pointer| claims.pointer(pointer));
    let entries = found.flat_map(|value| value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice));
    entries.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn is_marked(claims: &Value, mark: &ClientOnly) -> bool {
    claims.pointer(&mark.pointer) == Some(&mark.equals)
}
