//! Everything before a request is forwarded: screen it, find its route, verify its token, decide.

use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};

use crate::gateway::exchange::Exchange;
use crate::gateway::{Limits, RevealRoutes};
use crate::policy::{self, Decision, Denial, Entry, Found, Grant, RequestTarget};
use crate::telemetry::TokenLabel;
use crate::token::{BearerToken, CredentialFault};
use crate::verify::{Provenance, Refusal};

/// Leave to forward, with the target to forward to.
#[derive(Debug)]
pub(super) struct Authorized {
    pub(super) grant: Grant,
    pub(super) path_and_query: PathAndQuery,
    /// Nobody looked at the credentials: they may not be passed on as if somebody had.
    pub(super) unchecked_credentials: bool,
}

/// Decides one request, in the order in which refusals take precedence.
///
/// # Errors
///
/// The denial that the peer is answered with.
pub(super) async fn authorize(exchange: &Exchange, parts: &Parts) -> Result<Authorized, Denial> {
    let snapshot = &exchange.view.snapshot;
    let table = &*snapshot.table;
    let host = screen(parts, &snapshot.limits)?;
    if !table.knows_method(&parts.method) {
        return Err(Denial::MethodUnknown);
    }
    let target = RequestTarget::read(&parts.uri, host)?;
    let found = table.find(&target, &parts.method);
    if let Ok(found) = found {
        exchange.found(found);
        if *table.entry(found) == Entry::Public {
            return Authorized::new(
                policy::decide(table, found, None),
                exchange,
                found,
                &target,
                parts,
                is_unchecked(&parts.headers),
            );
        }
    }
    let found = match snapshot.reveal_routes {
        RevealRoutes::Always => found?,
        RevealRoutes::Authenticated => {
            verify(exchange, parts, None).await?;
            found?
        }
    };
    let decision = verify(exchange, parts, Some(found)).await?;
    match decision {
        Some(decision) => Authorized::new(decision, exchange, found, &target, parts, false),
        None => Err(Denial::Internal),
    }
}

/// Policy §9 over the fields, and the limits on them; the one `Host` field.
fn screen<'a>(parts: &'a Parts, limits: &Limits) -> Result<&'a HeaderValue, Denial> {
    policy::screen_fields(&parts.method, parts.version, &parts.headers)?;
    if parts.headers.len() > limits.fields || size(&parts.headers) > limits.header_bytes {
        return Err(Denial::TooLarge { target: false });
    }
    if parts.uri.path_and_query().map_or(0, |target| target.as_str().len()) > limits.target_bytes {
        return Err(Denial::TooLarge { target: true });
    }
    parts.headers.get(HOST).ok_or(Denial::BadRequest)
}

fn size(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Verifies the token that the request shows, and decides on `found` if a route was found.
async fn verify(exchange: &Exchange, parts: &Parts, found: Option<Found>) -> Result<Option<Decision>, Denial> {
    let snapshot = &exchange.view.snapshot;
    let table = &*snapshot.table;
    let token = match BearerToken::from_fields(&parts.headers, snapshot.limits.token_bytes) {
        Ok(token) => token,
        Err(CredentialFault::NoToken) => {
            return match (found, snapshot.reveal_routes) {
                (Some(found), RevealRoutes::Always) => Ok(Some(policy::decide(table, found, None))),
                (Some(_) | None, _) => Err(Denial::NoToken { scope: None }),
            };
        }
        Err(fault) => return Err(Denial::Credential(fault)),
    };
    let acts_alone = |client: &str| table.acts_alone(client);
    let (remembered, provenance) =
        exchange.plane.verifier.verify(&snapshot.issuers, token, acts_alone).await.map_err(denied)?;
    let bearer = remembered.note.bearer(table, &remembered.token).map_err(Denial::Token)?;
    let decision = found.map(|found| policy::decide(table, found, Some(&bearer.standing)));
    exchange.verified(remembered, bearer);
    exchange.plane.shared.metrics.decision(
        match provenance {
            Provenance::Cached => TokenLabel::Cached,
            Provenance::Jwt => TokenLabel::Jwt,
        },
        exchange.started.elapsed(),
    );
    Ok(decision)
}

fn denied(refusal: Refusal) -> Denial {
    match refusal {
        Refusal::Fault(fault) => Denial::Token(fault),
        Refusal::Unavailable(outage) => Denial::Unavailable(outage),
        Refusal::Overloaded => Denial::Overloaded,
    }
}

/// Whether the credentials are of a scheme that the gateway would have to check (RFC 9110 §11.1: schemes in any case).
fn is_unchecked(fields: &HeaderMap) -> bool {
    fields.get_all(AUTHORIZATION).iter().any(|credentials| {
        let scheme = credentials.as_bytes().split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"dpop")
    })
}

impl Authorized {
    fn new(
        decision: Decision,
        exchange: &Exchange,
        found: Found,
        target: &RequestTarget<'_>,
        parts: &Parts,
        unchecked_credentials: bool,
    ) -> Result<Self, Denial> {
        let grant = match decision {
            Decision::Forward(grant) => grant,
            Decision::Deny(denial) => return Err(denial),
        };
        let path_and_query = match exchange.view.snapshot.table.rewrite(found, target) {
            Some(rewritten) => PathAndQuery::try_from(rewritten).map_err(|_| Denial::Internal)?,
            None => parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        };
        exchange.granted(grant.access());
        Ok(Self { grant, path_and_query, unchecked_credentials })
    }
}
