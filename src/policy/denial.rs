//! A refusal, with what its answer needs.

use http::{HeaderValue, StatusCode};

use super::Reason;
use crate::token::{CredentialFault, Outage, TokenFault};

/// Why a request is refused, with what the answer needs.
///
/// Matched without `_` everywhere, so that a new refusal breaks the build wherever refusals are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Message or target malformed.
    BadRequest,
    /// Beyond a limit: the target, or else the fields.
    TooLarge {
        /// Whether it is the target.
        target: bool,
    },
    /// Two readers of the path could reach two routes.
    AmbiguousPath,
    /// The query overrides the method.
    AmbiguousMethod,
    /// A method that neither the standards nor the table know.
    MethodUnknown,
    /// No template matches.
    NoRoute,
    /// The route has no entry for the method.
    MethodNotAllowed {
        /// The methods that it has: the `Allow` field (RFC 9110 §10.2.1).
        allow: HeaderValue,
    },
    /// No bearer credentials.
    NoToken {
        /// The challenge's `scope`: the whole of one set that would open the route, one space between. `None` where no
        /// scope is asked for, and where the set is longer than 1 KiB.
        scope: Option<String>,
    },
    /// Credentials that are not one bearer token.
    Credential(CredentialFault),
    /// A token that is not valid here.
    Token(TokenFault),
    /// Neither side of the entry is within the scopes held.
    InsufficientScope {
        /// The challenge's `scope` (RFC 6750 §3): the whole of one set that would open the route, one space between.
        /// `None` where the ceilings permit none, and where the set is longer than 1 KiB.
        scope: Option<String>,
        /// The part of `scope` that is not held; `None` exactly where `scope` is.
        missing: Option<String>,
    },
    /// Held, but not within what the client may use.
    ClientCeiling,
    /// Held, but not within what the roles permit.
    RoleCeiling,
    /// Held, and what decides is whether roles that only the role directory knows permit it; the directory is not to be had.
    RolesUnavailable,
    /// Something is needed to verify the token and not to be had.
    Unavailable(Outage),
    /// The upstream refused the connection or broke it off.
    UpstreamUnreachable,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// A limit of the gateway is reached.
    Overloaded,
    /// The gateway is going down.
    Draining,
    /// A defect of ours.
    Internal,
}

impl Denial {
    /// Returns the reason that metrics, logs and the answer name.
    pub fn reason(&self) -> Reason {
        match self {
            Self::BadRequest => Reason::BadRequest,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::AmbiguousPath => Reason::AmbiguousPath,
            Self::AmbiguousMethod => Reason::AmbiguousMethod,
            Self::MethodUnknown => Reason::MethodUnknown,
            Self::NoRoute => Reason::NoRoute,
            Self::MethodNotAllowed { .. } => Reason::MethodNotAllowed,
            Self::NoToken { .. } => Reason::NoToken,
            Self::Credential(fault) => credential_reason(*fault),
            Self::Token(fault) => token_reason(*fault),
            Self::InsufficientScope { .. } => Reason::InsufficientScope,
            Self::ClientCeiling => Reason::ClientCeiling,
            Self::RoleCeiling => Reason::RoleCeiling,
            Self::RolesUnavailable => Reason::RolesUnavailable,
            Self::Unavailable(Outage::Keys) => Reason::KeysUnavailable,
            Self::Unavailable(Outage::Introspection) => Reason::IntrospectionUnavailable,
            Self::Unavailable(Outage::Revocations) => Reason::RevocationsUnavailable,
            Self::UpstreamUnreachable => Reason::UpstreamUnreachable,
            Self::UpstreamTimeout => Reason::UpstreamTimeout,
            Self::Overloaded => Reason::Overloaded,
            Self::Draining => Reason::Draining,
            Self::Internal => Reason::Internal,
        }
    }

    /// Returns the status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest | Self::AmbiguousPath | Self::AmbiguousMethod => StatusCode::BAD_REQUEST,
            Self::TooLarge { target: true } => StatusCode::URI_TOO_LONG,
            Self::TooLarge { target: false } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::MethodUnknown => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            // RFC 6750 §3.1: 401 without credentials and for an invalid token, 400 for a malformed request.
            Self::NoToken { .. } | Self::Token(_) | Self::Credential(CredentialFault::NoToken) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Credential(
                CredentialFault::MultipleTokens | CredentialFault::MalformedToken | CredentialFault::TokenTooLarge,
            ) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } | Self::ClientCeiling | Self::RoleCeiling => StatusCode::FORBIDDEN,
            Self::RolesUnavailable
            | Self::Unavailable(Outage::Keys | Outage::Introspection | Outage::Revocations)
            | Self::Overloaded
            | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamUnreachable => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn credential_reason(fault: CredentialFault) -> Reason {
    match fault {
        CredentialFault::NoToken => Reason::NoToken,
        CredentialFault::MultipleTokens => Reason::MultipleTokens,
        CredentialFault::MalformedToken => Reason::MalformedToken,
        CredentialFault::TokenTooLarge => Reason::TokenTooLarge,
    }
}

fn token_reason(fault: TokenFault) -> Reason {
    match fault {
        TokenFault::BadToken => Reason::BadToken,
        TokenFault::AlgNotAllowed => Reason::AlgNotAllowed,
        TokenFault::UnknownIssuer => Reason::UnknownIssuer,
        TokenFault::UnknownKey => Reason::UnknownKey,
        TokenFault::BadSignature => Reason::BadSignature,
        TokenFault::Expired => Reason::Expired,
        TokenFault::NotYetValid => Reason::NotYetValid,
        TokenFault::BadAudience => Reason::BadAudience,
        TokenFault::BadType => Reason::BadType,
        TokenFault::BadClaims => Reason::BadClaims,
        TokenFault::Inactive => Reason::Inactive,
        TokenFault::Revoked => Reason::Revoked,
        TokenFault::SenderConstraint => Reason::SenderConstraint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of tokens, which are 401.
    const OF_TOKENS: &[(TokenFault, &str)] = &[
        (TokenFault::BadToken, "bad_token"),
        (TokenFault::AlgNotAllowed, "alg_not_allowed"),
        (TokenFault::UnknownIssuer, "unknown_issuer"),
        (TokenFault::UnknownKey, "unknown_key"),
        (TokenFault::BadSignature, "bad_signature"),
        (TokenFault::Expired, "expired"),
        (TokenFault::NotYetValid, "not_yet_valid"),
        (TokenFault::BadAudience, "bad_audience"),
        (TokenFault::BadType, "bad_type"),
        (TokenFault::BadClaims, "bad_claims"),
        (TokenFault::Inactive, "inactive"),
        (TokenFault::Revoked, "revoked"),
        (TokenFault::SenderConstraint, "sender_constraint"),
    ];

    /// Every refusal with the status and the name that the documents give it.
    fn table() -> Vec<(Denial, u16, &'static str)> {
        let allow = HeaderValue::from_static("GET, HEAD");
        let credential = Denial::Credential;
        let mut table = vec![
            (Denial::BadRequest, 400, "bad_request"),
            (Denial::TooLarge { target: true }, 414, "too_large"),
            (Denial::TooLarge { target: false }, 431, "too_large"),
            (Denial::AmbiguousPath, 400, "ambiguous_path"),
            (Denial::AmbiguousMethod, 400, "ambiguous_method"),
            (Denial::MethodUnknown, 501, "method_unknown"),
            (Denial::NoRoute, 404, "no_route"),
            (Denial::MethodNotAllowed { allow }, 405, "method_not_allowed"),
            (Denial::NoToken { scope: None }, 401, "no_token"),
            (credential(CredentialFault::NoToken), 401, "no_token"),
            (credential(CredentialFault::MultipleTokens), 400, "multiple_tokens"),
            (credential(CredentialFault::MalformedToken), 400, "malformed_token"),
            (credential(CredentialFault::TokenTooLarge), 400, "token_too_large"),
            (Denial::InsufficientScope { scope: None, missing: None }, 403, "insufficient_scope"),
            (Denial::ClientCeiling, 403, "client_ceiling"),
            (Denial::RoleCeiling, 403, "role_ceiling"),
            (Denial::Unavailable(Outage::Keys), 503, "keys_unavailable"),
            (Denial::Unavailable(Outage::Introspection), 503, "introspection_unavailable"),
            (Denial::RolesUnavailable, 503, "roles_unavailable"),
            (Denial::Unavailable(Outage::Revocations), 503, "revocations_unavailable"),
            (Denial::UpstreamUnreachable, 502, "upstream_unreachable"),
            (Denial::UpstreamTimeout, 504, "upstream_timeout"),
            (Denial::Overloaded, 503, "overloaded"),
            (Denial::Draining, 503, "draining"),
            (Denial::Internal, 500, "internal"),
        ];
        table.extend(OF_TOKENS.iter().map(|&(fault, name)| (Denial::Token(fault), 401, name)));
        table
    }

    #[test]
    fn every_refusal_has_its_status_and_its_reason() {
        for (denial, status, reason) in table() {
            assert_eq!(denial.status().as_u16(), status, "{denial:?}");
            assert_eq!(denial.reason().as_str(), reason, "{denial:?}");
        }
    }

    #[test]
    fn every_reason_is_the_reason_of_some_refusal() {
        for reason in Reason::ALL {
            assert!(table().iter().any(|(denial, ..)| denial.reason() == *reason), "{reason}");
        }
    }
}
