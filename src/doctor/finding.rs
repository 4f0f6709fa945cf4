//! What a check comes to.

use serde::{Serialize, Serializer};

use crate::config::Diagnostic;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The gateway file and its policies compile.
    Configuration,
    /// Who may read secrets, and change any of the files.
    Permissions,
    /// The listeners' addresses can be had.
    Listener,
    /// So can the admin listener's, or a gateway answers there.
    Admin,
    /// Certificates that the gateway shows are valid, and stay so for a while.
    Certificate,
    /// Issuers' keys can be had and used.
    Keys,
    /// This machine's clock agrees with an issuer's.
    Clock,
    /// Issuers answer about tokens.
    Introspection,
    /// Revocation feeds can be read.
    Revocations,
    /// The role directory can be read.
    RoleDirectory,
    /// Upstreams can be connected to, and speak what is configured.
    Upstream,
    /// The process may have as many descriptors as the file lets it use.
    Descriptors,
}

impl Check {
    /// Every check, in the order in which findings are told.
    pub const ALL: [Self; 12] = [
        Self::Configuration,
        Self::Permissions,
        Self::Listener,
        Self::Admin,
        Self::Certificate,
        Self::Keys,
        Self::Clock,
        Self::Introspection,
        Self::Revocations,
        Self::RoleDirectory,
        Self::Upstream,
        Self::Descriptors,
    ];

    /// Its name, which stays what it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Permissions => "permissions",
            Self::Listener => "listener",
            Self::Admin => "admin",
            Self::Certificate => "certificate",
            Self::Keys => "keys",
            Self::Clock => "clock",
            Self::Introspection => "introspection",
            Self::Revocations => "revocations",
            Self::RoleDirectory => "role_directory",
            Self::Upstream => "upstream",
            Self::Descriptors => "descriptors",
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Well.
    Ok,
    /// Somebody should look; the gateway serves all the same.
    Warning,
    /// Requests fail of it, or the gateway does not start.
    Failed,
    /// It was not looked at, for what it needs has failed.
    Skipped,
}

/// What one check came to, about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How well it is.
    pub level: Level,
    /// What it is about: a file, an address, the name of an issuer or an upstream.
    pub subject: String,
    /// Lower case, literals in backticks, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: Check, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, subject: subject.into(), message: message.into(), hint: None }
    }

    pub(super) fn warning(check: Check, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::ok(check, subject, message) }
    }

    pub(super) fn failed(check: Check, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Failed, ..Self::ok(check, subject, message) }
    }

    pub(super) fn skipped(check: Check, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Skipped, ..Self::ok(check, subject, message) }
    }

    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub(super) fn hint_if(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }
}

/// All that was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of [`Check::ALL`].
    pub findings: Vec<Finding>,
    /// What `scopegate check` says of the file: errors or warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>, diagnostics: Vec<Diagnostic>) -> Self {
        findings.sort_by_key(|finding| Check::ALL.iter().position(|check| *check == finding.check));
        Self { findings, diagnostics }
    }

    /// How many findings there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}
