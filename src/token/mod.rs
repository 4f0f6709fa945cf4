//! Pure token rules: what a request shows as its token, and whether it may be believed for a given key and `now`.
//!
//! [`BearerToken`] is taken from the fields of a request (RFC 6750 §2.1, RFC 9110 §11). [`JwtParts`] cuts it into the three
//! parts of a compact JWS (RFC 7515 §7.1), [`Jwt`] reads header and claims as strictly as the RFCs allow (RFC 7515 §4 and
//! §5.2, RFC 7519 §4 and §7.2), [`UnverifiedToken`] is what satisfies its issuer's rules (RFC 8725 §3, RFC 9068 §4) before
//! anybody looked at the signature, and a [`VerificationKey`] (RFC 7517, 7518) turns it into a [`VerifiedToken`]. A
//! [`RevocationPage`] is what an issuer's feed says of tokens that it takes back, and [`Revocations`] tell whether they name one.
//!
//! A token that is no JWS is described by its issuer's answer about it (RFC 7662), which [`TrustedIssuer`] reads by the same
//! rules; [`ServerMetadata`] says where such an issuer is asked (RFC 8414).
//!
//! The checks stand in one order, cheap before costly; before the signature nothing is believed, only refused.
//!
//! This room does no I/O, knows no clock and keeps nothing: key sets and the memory of verified tokens are in `verify`.

mod algorithm;
mod audience;
mod base64url;
mod bearer;
mod claims;
mod digest;
mod fault;
mod header;
mod introspection;
mod json;
mod jwk;
mod jwt;
mod key;
mod metadata;
mod name_digest;
mod pointer;
mod revocation_page;
mod revocations;
mod rules;
mod secret;
mod times;
mod verified;

#[cfg(test)]
mod claims_tests;
#[cfg(test)]
mod header_tests;
#[cfg(test)]
mod introspection_tests;
#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod jwk_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod revocation_tests;
#[cfg(test)]
mod shape_tests;
#[cfg(test)]
pub(crate) mod testing;

pub use algorithm::{Algorithm, AlgorithmSet};
pub use bearer::{BearerCredentials, BearerToken, DigestedToken};
pub use digest::{TokenDigest, TokenId};
pub use fault::{CredentialFault, Outage, TokenFault};
pub use introspection::IntrospectionFault;
pub(crate) use json::{Json, Repeats};
pub use jwk::{JwkSet, JwkSetFault, KeyFault, SkippedKey};
pub use jwt::{Jwt, JwtParts, KeyId, UnverifiedToken};
pub use key::{KeyIdentity, VerificationKey};
pub use metadata::{MetadataFault, ServerMetadata};
pub use name_digest::NameDigest;
pub use revocation_page::{PageFault, RevocationEntry, RevocationPage};
pub use revocations::{MOST_REVOCATIONS, Revocations};
pub use rules::{ClientOnly, IssuerRules, TrustedIssuer};
pub use secret::Secret;
pub use verified::VerifiedToken;
