//! Why the database does not do what it is asked.

/// Why the database does not do what it is asked. No text names a value that was stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The file, the disk or the database itself.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The database could not be brought to this version's tables.
    #[error("the database could not be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The file cannot be made, or others may read it.
    #[error("the database file cannot be used: {0}")]
    File(String, #[source] Option<std::io::Error>),
    /// Something of this kind and name is there already; the kind.
    #[error("this {0} is there already")]
    Exists(&'static str),
    /// Nothing of this kind and name is there; the kind.
    #[error("this {0} is not there")]
    Missing(&'static str),
    /// A default role is the product's, not the operator's.
    #[error("a default role cannot be changed or removed")]
    DefaultRole,
    /// What is stored cannot be read back: somebody else wrote it. The table.
    #[error("the table `{0}` holds what this version cannot read")]
    Unreadable(&'static str),
}
