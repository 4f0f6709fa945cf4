//! Why a request's credentials are refused, each word of one closed list.

/// Why the credentials of a request are no bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CredentialFault {
    /// No `Authorization` field, or one of another scheme.
    #[error("the request has no bearer token")]
    NoToken,
    /// More than one `Authorization` field.
    #[error("the request has more than one `Authorization` field")]
    MultipleTokens,
    /// Not one b64token after the scheme, or something after it (RFC 6750 §2.1).
    #[error("the credentials are not one b64token")]
    MalformedToken,
    /// More bytes than the limit.
    #[error("the token is longer than the limit")]
    TokenTooLarge,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFault {
    /// No JWS: an empty part, base64url, JSON, a member twice, or `crit`.
    #[error("the token is not a JWS that can be read")]
    BadToken,
    /// The header names an algorithm that its issuer does not use.
    #[error("the token's algorithm is not allowed")]
    AlgNotAllowed,
    /// Nobody here trusts the issuer that the token names.
    #[error("the token's issuer is not known")]
    UnknownIssuer,
    /// The issuer has no such key.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature does not belong to header, claims and key.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is further ahead than the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token is for somebody else.
    #[error("the token is not for this audience")]
    BadAudience,
    /// The token is of another kind, such as an ID token.
    #[error("the token is not an access token")]
    BadType,
    /// A claim is missing, of the wrong type, out of range or contradicts another.
    #[error("the token's claims are not as they must be")]
    BadClaims,
    /// Its issuer was asked, and does not say that the token is active (RFC 7662 §2.2).
    #[error("the token is not active")]
    Inactive,
    /// Its issuer has taken it back.
    #[error("the token was revoked")]
    Revoked,
    /// The token is bound to a key or certificate, and was shown as a plain bearer token.
    #[error("the token is bound to a key that was not shown")]
    SenderConstraint,
}

/// What an answer needs and is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Outage {
    /// The issuer has no key set, or one too old.
    #[error("the issuer's keys are not available")]
    Keys,
    /// The issuer could not be asked about the token, or its answer could not be read.
    #[error("the issuer cannot be asked about the token")]
    Introspection,
    /// The issuer's revocations were never read, or too long ago.
    #[error("the issuer's revocations are not available")]
    Revocations,
}
