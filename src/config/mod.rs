//! YAML → valid values of the rooms below, or every fault at once; and watching the files.
//!
//! Two files have two owners: the *gateway file* says where to listen, whom to trust and where to forward; *policy files*
//! say which scope opens which route. A third, the authorization server's, takes the scopes of the policy files. Loading has two stages. First a file is read as typed: YAML into a tree in which
//! every value has its place, and the tree into raw values whose keys are known and of the right kind. Then the raw values
//! of all files are compiled into the types of the rooms below, names are looked up and the route table is built. Neither
//! stage stops at a fault: what can still be read is read on, so that one load tells everything that is wrong, each with
//! file, line, column, source line and a hint. There is no value that is valid only after somebody has checked it.
//!
//! | file | its one job |
//! |---|---|
//! | `yaml`, `node`, `source` | text → spanned tree; the only place that knows the YAML parser |
//! | `keys`, `policy_keys`, `gateway_keys`, `upstream_keys`, `tls_keys`, `traces_keys`, `authorization_server_keys` | the one description of all keys; readers, JSON Schema and documentation share it |
//! | `read`, `scalars`, `units`, `paths`, `hints`, `lookalikes`, `suggest` | typed readers and what they say of mistakes |
//! | `raw_policy`, `raw_entry` | a policy file as typed |
//! | `catalog`, `ceilings`, `entries`, `routes`, `table`, `cases` | policy files compiled, and their tests run |
//! | `gateway_file`, `issuers`, `upstreams`, `tls`, `traces`, `secrets`, `policy_files` | a gateway file compiled |
//! | `authorization_server_file` | an authorization server's file compiled |
//! | `faults`, `diagnostic` | every fault, and how it is shown |
//! | `inputs`, `watch` | what was read, and whether it has changed since |
//! | `schema` | the JSON Schema of every file |
//!
//! This room opens no socket, keeps nothing between two loads, and prints nothing.

mod addresses;
mod authorization_server_file;
mod authorization_server_keys;
mod cases;
mod catalog;
mod ceilings;
mod diagnostic;
mod entries;
mod faults;
mod gateway_file;
mod gateway_keys;
mod hints;
mod inputs;
mod introspection;
#[cfg(test)]
mod introspection_tests;
mod issuers;
mod keys;
#[cfg(test)]
mod keys_tests;
mod load;
#[cfg(test)]
mod load_tests;
mod loaded;
mod lookalikes;
#[cfg(test)]
mod mangled_tests;
mod node;
mod paths;
mod policy_files;
mod policy_keys;
mod polled;
#[cfg(test)]
mod polled_tests;
mod raw_entry;
mod raw_policy;
mod read;
mod routes;
mod scalars;
mod schema;
mod secrets;
#[cfg(test)]
mod settings_tests;
mod source;
mod suggest;
mod table;
mod tls;
mod tls_keys;
mod traces;
mod traces_keys;
#[cfg(test)]
mod traces_tests;
mod units;
mod upstream_keys;
mod upstreams;
mod watch;
#[cfg(test)]
mod watch_tests;
mod yaml;
#[cfg(any(test, fuzzing))]
mod yaml_fuzzing;
#[cfg(test)]
mod yaml_tests;

pub use diagnostic::{Diagnostic, Location, Related, Severity};
pub use inputs::Inputs;
pub use keys::{KeyDescription, keys};
pub use load::{
    is_authorization_server_file, is_gateway_file, load_authorization_server, load_gateway, load_gateway_with_inputs,
    load_policy, probed_address,
};
pub use loaded::{AuthorizationServerConfiguration, Gateway, Policy, TestReport};
pub use schema::{schema_authorization_server, schema_gateway, schema_policy};
pub use units::parse_duration;
pub use watch::Watcher;
#[cfg(any(test, fuzzing))]
pub use yaml_fuzzing::yaml as fuzz_yaml;
