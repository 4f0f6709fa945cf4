//! The files that a command is given: one gateway file, or policy files that add up.

use std::path::{Path, PathBuf};

use crate::config::{self, Gateway, Policy};
use crate::policy::RouteTable;

use super::fault::Fault;

/// What the files of a command compile to.
#[derive(Debug)]
pub(super) enum Loaded {
    /// A gateway file, which brings its policies along.
    Gateway(Box<Gateway>),
    /// Policy files alone; their ceilings count as on where they have the section.
    Policy(Box<Policy>),
}

impl Loaded {
    /// Reads and compiles the files.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a gateway file among several, and all that is wrong in them.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, Fault> {
        let mut gateways = Vec::new();
        for file in files {
            if is_gateway_file(file)? {
                gateways.push(file);
            }
        }
        match (gateways.as_slice(), files.len()) {
            ([], _) => config::load_policy(files).map(|policy| Self::Policy(Box::new(policy))).map_err(Fault::Files),
            ([gateway], 1) => {
                config::load_gateway(gateway).map(|gateway| Self::Gateway(Box::new(gateway))).map_err(Fault::Files)
            }
            ([gateway, ..], _) => Err(Fault::call_with_hint(
                format!("`{}` is a gateway file, and stands alone", gateway.display()),
                "a gateway file brings its policies along; several policy files may be given without one",
            )),
        }
    }

    /// The compiled table.
    pub(super) fn table(&self) -> &RouteTable {
        match self {
            Self::Gateway(gateway) => &gateway.table,
            Self::Policy(policy) => &policy.table,
        }
    }
}

/// Whether it is a gateway file.
///
/// # Errors
///
/// A file that cannot be read.
pub(super) fn is_gateway_file(path: &Path) -> Result<bool, Fault> {
    config::is_gateway_file(path).map_err(|error| Fault::read(path, error))
}

/// Whether it is an authorization server's file.
///
/// # Errors
///
/// A file that cannot be read.
pub(super) fn is_authorization_server_file(path: &Path) -> Result<bool, Fault> {
    config::is_authorization_server_file(path).map_err(|error| Fault::read(path, error))
}
