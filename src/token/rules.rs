//! What one issuer's tokens must satisfy.

use std::sync::Arc;
use std::time::Duration;

use super::algorithm::{Algorithm, AlgorithmSet};
use super::pointer::Pointer;

/// What one issuer's tokens must satisfy, as an operator writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerRules {
    /// The `iss` claim, compared byte for byte.
    pub issuer: String,
    /// At least one of these must be in `aud`.
    pub audience: Vec<String>,
    /// What `alg` may name.
    pub algorithms: Vec<Algorithm>,
    /// Whether only tokens typed `at+jwt` are taken (RFC 9068 §2.1); otherwise also `JWT` and none.
    pub strict_type: bool,
    /// How far ahead `nbf` and `iat` may be; `exp` has no leeway.
    pub leeway: Duration,
    /// The longest time from `iat` to `exp`, when both are there.
    pub max_lifetime: Duration,
    /// JSON pointers (RFC 6901) to claims whose scopes are united.
    pub scope_pointers: Vec<String>,
    /// A JSON pointer to the roles.
    pub roles_pointer: String,
    /// JSON pointers to claims that name the client: at least one must be there, and all that are must agree.
    pub client_pointers: Vec<String>,
    /// How this issuer marks tokens without a user.
    pub client_only: Option<ClientOnly>,
}

/// How an issuer marks tokens that no user stands behind: the claim at `pointer` equals `equals`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientOnly {
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// The value that marks, compared as JSON.
    pub equals: serde_json::Value,
}

/// The rules of an issuer, made ready for checking one token after another.
#[derive(Debug)]
pub struct TrustedIssuer {
    pub(super) name: Arc<str>,
    pub(super) audience: Box<[Box<str>]>,
    pub(super) algorithms: AlgorithmSet,
    pub(super) strict_type: bool,
    pub(super) leeway: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) scope: Box<[Pointer]>,
    pub(super) roles: Pointer,
    pub(super) client: Box<[Pointer]>,
    pub(super) client_only: Option<(Pointer, serde_json::Value)>,
}

impl TrustedIssuer {
    /// Makes the rules ready.
    pub fn new(rules: &IssuerRules) -> Self {
        Self {
            name: rules.issuer.as_str().into(),
            audience: rules.audience.iter().map(|audience| audience.as_str().into()).collect(),
            algorithms: rules.algorithms.iter().copied().collect(),
            strict_type: rules.strict_type,
            leeway: rules.leeway,
            max_lifetime: rules.max_lifetime,
            scope: rules.scope_pointers.iter().map(|text| Pointer::new(text)).collect(),
            roles: Pointer::new(&rules.roles_pointer),
            client: rules.client_pointers.iter().map(|text| Pointer::new(text)).collect(),
            client_only: rules.client_only.as_ref().map(|mark| (Pointer::new(&mark.pointer), mark.equals.clone())),
        }
    }

    /// The `iss` of this issuer's tokens.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How far ahead `nbf` and `iat` may be.
    pub fn leeway(&self) -> Duration {
        self.leeway
    }
}
