//! What a verifier answers besides the facts.

use crate::token::{Outage, TokenFault};

/// Where the facts about a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// From the memory of verified tokens.
    Cached,
    /// From the token, whose signature was checked now.
    Jwt,
    /// From its issuer, who was asked now.
    Introspection,
}

/// Why there are no facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is refused.
    #[error(transparent)]
    Fault(#[from] TokenFault),
    /// What is needed to check the token is not to be had.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// The budget for unknown tokens is spent, and waiting would take too long.
    #[error("too many unknown tokens")]
    Overloaded,
}
