//! Bodies of the fuzz targets: for every parser of hostile bytes a function that takes any bytes, and panics where a rule is broken.
//!
//! `fuzz/` gives each of them to libFuzzer; the tests of this room give them what lies in `fuzz/corpus/`, so that what was found
//! once is tried in every run of the tests. A body does not only look for panics: it says beside the parser what must be true of
//! its answer, as plainly as possible and in other words than the parser, or asks another parser of the same bytes.
//!
//! Inputs are texts in lines, so that a file of the corpus can be read and written by people: each body says what its lines are.
//!
//! Built for tests and under `cfg(fuzzing)` only; the gateway has none of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a body fails by panicking"
)]

mod host;
mod introspection;
mod key_set;
mod lines;
mod naive;
mod request_target;
mod revocations;
mod served;
mod template;
mod token;
mod trace_context;
mod upstream_readings;

#[cfg(test)]
mod corpus_tests;

pub use crate::config::fuzz_yaml as yaml;
pub use crate::gateway::fuzz_request_fields as request_fields;
pub use crate::net::fuzz_answer as answer;
pub use host::host;
pub use introspection::introspection;
pub use key_set::key_set;
pub use request_target::request_target;
pub use revocations::revocations;
pub use template::template;
pub use token::token;
pub use trace_context::trace_context;

/// A body: it returns where every rule holds.
pub type Body = fn(&[u8]);

/// Every body by the name of its target, which is also that of its folder in `fuzz/corpus/`.
pub const TARGETS: [(&str, Body); 11] = [
    ("answer", answer),
    ("host", host),
    ("introspection", introspection),
    ("key_set", key_set),
    ("request_fields", request_fields),
    ("request_target", request_target),
    ("revocations", revocations),
    ("template", template),
    ("token", token),
    ("trace_context", trace_context),
    ("yaml", yaml),
];
