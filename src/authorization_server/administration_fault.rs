//! Why an administrator's request is not done.

use super::fault::NoRandomness;
use crate::store::StoreFault;

/// Why an administrator's request is not done; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationFault {
    /// A value is not of the form that its member has.
    #[error("`{member}` {what}")]
    Invalid {
        /// The member, or the option of the command line.
        member: &'static str,
        /// What comes after its name.
        what: &'static str,
    },
    /// The thing itself is not there; its kind.
    #[error("this {0} is not there")]
    Missing(&'static str),
    /// The name is taken; the kind.
    #[error("a {0} of this name is there already")]
    Exists(&'static str),
    /// A role that is named is not there.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// A scope that is named is not in the catalogue.
    #[error("scope `{0}` is not in the catalogue")]
    UnknownScope(String),
    /// The parts, each well by itself, do not fit together.
    #[error("{0}")]
    Contradiction(String),
    /// Nobody could administer the tenant any more.
    #[error("this is the last administrator who can log in")]
    LastAdministrator,
    /// A default role is the product's.
    #[error("a default role cannot be changed or removed")]
    DefaultRole,
    /// The caller would give, or command, more than the caller has.
    #[error("this reaches further than the caller's own rights: `{0}`")]
    ExceedsCaller(String),
    /// The caller's rights were taken back while the request waited for its turn.
    #[error("the caller's rights were taken back")]
    Withdrawn,
    /// The database.
    #[error(transparent)]
    Store(StoreFault),
    /// No secret can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl From<StoreFault> for AdministrationFault {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Missing(kind) => Self::Missing(kind),
            StoreFault::Exists(kind) => Self::Exists(kind),
            StoreFault::DefaultRole => Self::DefaultRole,
            fault @ (StoreFault::Database(_)
            | StoreFault::Migration(_)
            | StoreFault::File(..)
            | StoreFault::Unreadable(_)) => Self::Store(fault),
        }
    }
}
