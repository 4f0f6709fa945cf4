//! From a [`BearerToken`](crate::token::BearerToken) to a [`VerifiedToken`](crate::token::VerifiedToken): key sets, and the
//! memory of verified tokens.
//!
//! [`Issuers`] holds the trusted issuers of one snapshot with their live keys. Keys come from a file, read at start and at
//! each reload, or from a URL (RFC 7517 §5), given or looked up in the issuer's metadata (RFC 8414), which one task an issuer refreshes on the control runtime: on a schedule, after
//! failures with growing pauses, and when a worker meets an unknown `kid`. Old keys serve on until they are too old; one
//! issuer never waits for another.
//!
//! Where an issuer has a revocation feed, another task reads it every few seconds, and puts what it says before all workers at
//! once. A reading is as old as its beginning, and one that is too old refuses every token of the issuer.
//!
//! [`Verifier`] belongs to one worker. It remembers facts about tokens, never a verdict, under their SHA-256 digest, and
//! checks on every hit what may have changed: times, issuer, key, revocations. Its budget bounds the share of a worker's time that the
//! signatures of unknown tokens may take. A token that is shown again and again is known by its bytes, which are kept for a few
//! seconds beside its digest.
//!
//! A token that is no JWT is shown to the one issuer that introspects such tokens (RFC 7662): one question at a time about one
//! token, a bounded number about all, and its answer is remembered for a while.
//!
//! [`Inquiry`] asks an issuer once, outside a running gateway: for `scopegate doctor`.
//!
//! What the checks are is the business of `token`; who may do what with a verified token is that of `policy`.

mod budget;
mod client_authentication;
mod client_key;
mod discovery;
mod feed;
mod feed_reader;
mod flights;
mod inquiry;
mod introspect;
mod introspection;
mod issuer;
mod issuers;
mod key_set;
mod lately_shown;
mod memory;
mod recognize;
mod refresh;
mod refusal;
mod refused;
mod settings;
mod unknown_keys;
mod verifier;

#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod introspect_tests;
#[cfg(test)]
mod issuers_tests;
#[cfg(test)]
mod refresh_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod verifier_tests;

pub use budget::FairShare;
pub use client_key::{ClientKey, ClientKeyFault};
pub use discovery::DiscoveryFault;
pub use inquiry::{Inquiry, IntrospectionInquiryFault, KeysFault, KeysTold};
pub use issuers::{FeedState, IssuerFault, IssuerState, Issuers};
pub use memory::Remembered;
pub use refusal::{Provenance, Refusal};
pub use settings::{
    ClientAuthentication, ClientProof, ClientSecret, IntrospectionSettings, IssuerSettings, KeyAddress, KeySource,
    RevocationSettings,
};
pub use verifier::Verifier;
