//! The closed list of reasons that metrics, logs, problem documents and policy tests share.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why the gateway answered by itself.
///
/// The metric's label, the log's field, the problem's member and the name in a policy's `tests` are the same string,
/// [`Reason::as_str`]. The order is that in which the checks happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Message or target malformed.
    BadRequest,
    /// Head, fields or target beyond a limit.
    TooLarge,
    /// Two readers of the path could reach two routes.
    AmbiguousPath,
    /// The query overrides the method.
    AmbiguousMethod,
    /// A method that neither the standards nor the table know.
    MethodUnknown,
    /// No template matches.
    NoRoute,
    /// The route has no entry for the method.
    MethodNotAllowed,
    /// No bearer credentials.
    NoToken,
    /// More than one token.
    MultipleTokens,
    /// Not one b64token.
    MalformedToken,
    /// A token beyond the limit.
    TokenTooLarge,
    /// Not a JWS that can be read.
    BadToken,
    /// An algorithm that the issuer's tokens may not have.
    AlgNotAllowed,
    /// No issuer is trusted for this token.
    UnknownIssuer,
    /// The issuer has no such key.
    UnknownKey,
    /// The signature is not the key's.
    BadSignature,
    /// Beyond its `exp`.
    Expired,
    /// Before its `nbf`, or issued in the future.
    NotYetValid,
    /// For another audience.
    BadAudience,
    /// A token of another kind.
    BadType,
    /// A claim is missing, malformed or at odds with another.
    BadClaims,
    /// Not said to be active by its issuer, who was asked.
    Inactive,
    /// Taken back by its issuer.
    Revoked,
    /// Bound to a sender that was not proven.
    SenderConstraint,
    /// The token holds too few scopes.
    InsufficientScope,
    /// The scopes are held, but not within what the client may use.
    ClientCeiling,
    /// The scopes are held, but not within what the roles permit.
    RoleCeiling,
    /// The issuer's keys are needed and not to be had.
    KeysUnavailable,
    /// The issuer has to be asked about the token and does not answer.
    IntrospectionUnavailable,
    /// The role directory is needed and not to be had.
    RolesUnavailable,
    /// The issuer's revocations are needed and not to be had.
    RevocationsUnavailable,
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

impl Reason {
    /// Every reason, in the order of the checks.
    pub const ALL: &[Self] = &[
        Self::BadRequest,
        Self::TooLarge,
        Self::AmbiguousPath,
        Self::AmbiguousMethod,
        Self::MethodUnknown,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::NoToken,
        Self::MultipleTokens,
        Self::MalformedToken,
        Self::TokenTooLarge,
        Self::BadToken,
        Self::AlgNotAllowed,
        Self::UnknownIssuer,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::BadAudience,
        Self::BadType,
        Self::BadClaims,
        Self::Inactive,
        Self::Revoked,
        Self::SenderConstraint,
        Self::InsufficientScope,
        Self::ClientCeiling,
        Self::RoleCeiling,
        Self::KeysUnavailable,
        Self::IntrospectionUnavailable,
        Self::RolesUnavailable,
        Self::RevocationsUnavailable,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
        Self::Overloaded,
        Self::Draining,
        Self::Internal,
    ];

    /// Returns the reason's name, such as `insufficient_scope`; never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::TooLarge => "too_large",
            Self::AmbiguousPath => "ambiguous_path",
            Self::AmbiguousMethod => "ambiguous_method",
            Self::MethodUnknown => "method_unknown",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NoToken => "no_token",
            Self::MultipleTokens => "multiple_tokens",
            Self::MalformedToken => "malformed_token",
            Self::TokenTooLarge => "token_too_large",
            Self::BadToken => "bad_token",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::BadAudience => "bad_audience",
            Self::BadType => "bad_type",
            Self::BadClaims => "bad_claims",
            Self::Inactive => "inactive",
            Self::Revoked => "revoked",
            Self::SenderConstraint => "sender_constraint",
            Self::InsufficientScope => "insufficient_scope",
            Self::ClientCeiling => "client_ceiling",
            Self::RoleCeiling => "role_ceiling",
            Self::KeysUnavailable => "keys_unavailable",
            Self::IntrospectionUnavailable => "introspection_unavailable",
            Self::RolesUnavailable => "roles_unavailable",
            Self::RevocationsUnavailable => "revocations_unavailable",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }

    /// Reads a reason's name, exactly as [`Reason::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// Returns the problem document's `title` (RFC 9457 §3.1.3): a few words that never change.
    pub fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "malformed request",
            Self::TooLarge => "request too large",
            Self::AmbiguousPath => "ambiguous path",
            Self::AmbiguousMethod => "ambiguous method",
            Self::MethodUnknown => "unknown method",
            Self::NoRoute => "no such route",
            Self::MethodNotAllowed => "method not allowed",
            Self::NoToken => "no access token",
            Self::MultipleTokens => "several access tokens",
            Self::MalformedToken => "malformed access token",
            Self::TokenTooLarge => "access token too large",
            Self::BadToken => "unreadable access token",
            Self::AlgNotAllowed => "algorithm not allowed",
            Self::UnknownIssuer => "unknown issuer",
            Self::UnknownKey => "unknown key",
            Self::BadSignature => "bad signature",
            Self::Expired => "access token expired",
            Self::NotYetValid => "access token not yet valid",
            Self::BadAudience => "wrong audience",
            Self::BadType => "wrong type of token",
            Self::BadClaims => "bad claims",
            Self::Inactive => "inactive access token",
            Self::Revoked => "access token revoked",
            Self::SenderConstraint => "sender-constrained token",
            Self::InsufficientScope => "insufficient scope",
            Self::ClientCeiling => "beyond what the client may use",
            Self::RoleCeiling => "beyond what the roles permit",
            Self::KeysUnavailable => "keys unavailable",
            Self::IntrospectionUnavailable => "introspection unavailable",
            Self::RolesUnavailable => "roles unavailable",
            Self::RevocationsUnavailable => "revocations unavailable",
            Self::UpstreamUnreachable => "upstream unreachable",
            Self::UpstreamTimeout => "upstream timed out",
            Self::Overloaded => "overloaded",
            Self::Draining => "going down",
            Self::Internal => "internal error",
        }
    }

    /// Returns the fixed sentence that a refusal carries as `detail` and `error_description`.
    ///
    /// It names no token, claim, address or key, and keeps to `%x20-21 / %x23-5B / %x5D-7E` (RFC 6750 §3).
    pub fn detail(self) -> &'static str {
        match self {
            Self::BadRequest => "the request is malformed",
            Self::TooLarge => "the request target or the fields are larger than allowed",
            Self::AmbiguousPath => "the path can be read in more than one way",
            Self::AmbiguousMethod => "the query overrides the request method",
            Self::MethodUnknown => "the request method is not known here",
            Self::NoRoute => "no route matches the request target",
            Self::MethodNotAllowed => "the route does not have this method",
            Self::NoToken => "the request carries no bearer access token",
            Self::MultipleTokens => "the request carries more than one access token",
            Self::MalformedToken => "the credentials are not exactly one access token",
            Self::TokenTooLarge => "the access token is longer than allowed",
            Self::BadToken => "the access token cannot be read",
            Self::AlgNotAllowed => "the access token is signed with an algorithm that is not allowed",
            Self::UnknownIssuer => "the access token is from an issuer that is not trusted here",
            Self::UnknownKey => "the access token is signed with a key that its issuer does not publish",
            Self::BadSignature => "the signature of the access token does not verify",
            Self::Expired => "the access token expired",
            Self::NotYetValid => "the access token is not valid yet",
            Self::BadAudience => "the access token is for another audience",
            Self::BadType => "the token is not an access token",
            Self::BadClaims => "the claims of the access token are incomplete or malformed",
            Self::Inactive => "the access token is not active: it ended, was revoked or was never issued",
            Self::Revoked => "the access token was revoked",
            Self::SenderConstraint => "the access token is bound to a sender that was not proven",
            Self::InsufficientScope => "the access token lacks a scope that the request needs",
            Self::ClientCeiling => "the request needs a scope that this client may not use",
            Self::RoleCeiling => "the request needs a scope that no role of the user permits",
            Self::KeysUnavailable => "the keys to verify the access token are not available",
            Self::IntrospectionUnavailable => "the issuer of the access token cannot be asked about it",
            Self::RolesUnavailable => "what the roles of the user permit is not available",
            Self::RevocationsUnavailable => "whether the access token was revoked is not known",
            Self::UpstreamUnreachable => "the service behind the gateway cannot be reached",
            Self::UpstreamTimeout => "the service behind the gateway did not answer in time",
            Self::Overloaded => "the gateway has reached a limit",
            Self::Draining => "the gateway is going down",
            Self::Internal => "the gateway failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_is_complete_and_without_repetition() {
        for (position, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, position, "{reason}");
        }
        assert_eq!(Reason::ALL.len(), Reason::Internal as usize + 1);
    }

    #[test]
    fn every_name_reads_back_and_nothing_else_does() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
            assert!(reason.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{reason}");
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        for text in ["", "Insufficient_Scope", "insufficient-scope", " no_token", "allow"] {
            assert_eq!(Reason::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rfc_6750_3_details_are_fit_for_error_description() {
        for reason in Reason::ALL {
            for text in [reason.detail(), reason.title()] {
                assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)), "{reason}");
                assert!(text.starts_with(|first: char| first.is_ascii_lowercase()) && !text.ends_with('.'), "{reason}");
            }
        }
    }

    #[test]
    fn names_titles_and_details_tell_the_reasons_apart() {
        let all = Reason::ALL;
        assert_eq!(all.iter().map(|reason| reason.as_str()).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|reason| reason.title()).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|reason| reason.detail()).collect::<BTreeSet<_>>().len(), all.len());
    }
}
