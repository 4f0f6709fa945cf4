//! Everything before a request is forwarded: screen it, find its route, verify its token, decide.

use std::rc::Rc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::gateway::bearer::Bearer;
use crate::gateway::exchange::Exchange;
use crate::gateway::{Limits, RevealRoutes};
use crate::policy::{self, Access, Decision, Denial, Entry, Grant, RequestTarget, Terms};
use crate::telemetry::TokenLabel;
use crate::token::{BearerCredentials, CredentialFault, DigestedToken};
use crate::verify::{Provenance, Refusal};

/// Leave to forward, with the target to forward to.
#[derive(Debug)]
pub(super) struct Authorized {
    pub(super) grant: Grant,
    pub(super) path_and_query: PathAndQuery,
    /// Nobody looked at the credentials: they may not be passed on as if somebody had.
    pub(super) unchecked_credentials: bool,
}

/// Decides one request, in the order in which refusals take precedence, and times it; `screened` is what came of its fields.
///
/// # Errors
///
/// The denial that the peer is answered with.
pub(super) async fn authorize(
    exchange: &Exchange,
    parts: &Parts,
    screened: Result<usize, Denial>,
) -> Result<Authorized, Denial> {
    let mut token = TokenLabel::None;
    let authorized = decide(exchange, parts, screened, &mut token).await;
    let took = exchange.started.elapsed();
    exchange.plane.shared.metrics.decision(token, took);
    exchange.trace.decided(token, took);
    authorized
}

async fn decide(
    exchange: &Exchange,
    parts: &Parts,
    screened: Result<usize, Denial>,
    label: &mut TokenLabel,
) -> Result<Authorized, Denial> {
    let snapshot = &exchange.view.snapshot;
    let table = &*snapshot.table;
    screen(parts, screened?, &snapshot.limits)?;
    if !table.knows_method(&parts.method) {
        return Err(Denial::MethodUnknown);
    }
    let target = RequestTarget::read(&parts.uri, exchange.host().ok_or(Denial::BadRequest)?)?;
    let found = table.find(&target, &parts.method);
    if let Ok(found) = found {
        exchange.found(found);
    }
    let (found, bearer) = match (found, snapshot.reveal_routes) {
        (Ok(found), _) if *table.entry(found) == Entry::Public => (found, None),
        (found, RevealRoutes::Always) => (found?, verify(exchange, label).await?),
        (found, RevealRoutes::Authenticated) => {
            let bearer = verify(exchange, label).await?.ok_or(Denial::NoToken { scope: None })?;
            (found?, Some(bearer))
        }
    };
    match policy::decide(table, found, bearer.as_deref().map(|bearer| &bearer.standing)) {
        Decision::Forward(grant) => Authorized::new(grant, exchange, &target, parts),
        Decision::Deny(denial) => Err(denial),
    }
}

/// The limits on the fields, whose names and values have so many bytes, and on the target.
fn screen(parts: &Parts, bytes: usize, limits: &Limits) -> Result<(), Denial> {
    if parts.headers.len() > limits.fields || bytes > limits.header_bytes {
        return Err(Denial::TooLarge { target: false });
    }
    if parts.uri.path_and_query().map_or(0, |target| target.as_str().len()) > limits.target_bytes {
        return Err(Denial::TooLarge { target: true });
    }
    Ok(())
}

/// Verifies the token that the request shows; `None` where it shows none.
async fn verify(exchange: &Exchange, label: &mut TokenLabel) -> Result<Option<Rc<Bearer>>, Denial> {
    let snapshot = &exchange.view.snapshot;
    let Some(credentials) = exchange.credentials() else { return Ok(None) };
    let shown = match BearerCredentials::from_value(credentials, snapshot.limits.token_bytes) {
        Ok(shown) => shown,
        Err(CredentialFault::NoToken) => return Ok(None),
        Err(fault) => return Err(Denial::Credential(fault)),
    };
    let acts_alone = |client: &str| snapshot.table.acts_alone(client);
    let verifier = &exchange.plane.verifier;
    let (remembered, provenance) = match verifier.recognize(&snapshot.issuers, shown, acts_alone) {
        Some(remembered) => (remembered, Provenance::Cached),
        None => {
            let token = DigestedToken::from(shown.token().map_err(Denial::Credential)?);
            exchange.digested(token.digest().id());
            let share = &exchange.connection.fair_share;
            verifier.verify(&snapshot.issuers, token, share, acts_alone).await.map_err(denied)?
        }
    };
    *label = match provenance {
        Provenance::Cached => TokenLabel::Cached,
        Provenance::Jwt => TokenLabel::Jwt,
        Provenance::Introspection => TokenLabel::Introspection,
    };
    let roles = snapshot.roles.as_ref().and_then(|roles| roles.fresh(exchange.plane.shared.clock.now()));
    let terms = Terms { table: &snapshot.table, directory: roles.as_ref().and_then(|roles| roles.as_deref()) };
    let bearer = remembered.note.bearer(terms, &remembered.token).map_err(Denial::Token)?;
    exchange.verified(remembered, Rc::clone(&bearer));
    Ok(Some(bearer))
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
    fn new(grant: Grant, exchange: &Exchange, target: &RequestTarget<'_>, parts: &Parts) -> Result<Self, Denial> {
        let path_and_query = match exchange.view.snapshot.table.rewrite(grant.found(), target) {
            Some(rewritten) => PathAndQuery::try_from(rewritten).map_err(|_| Denial::Internal)?,
            None => parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        };
        exchange.granted(grant.access());
        let unchecked_credentials = grant.access() == Access::Public && is_unchecked(&parts.headers);
        Ok(Self { grant, path_and_query, unchecked_credentials })
    }
}
