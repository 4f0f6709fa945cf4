//! `log:` of the gateway file.

/// What is logged, and how; all of it can change while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// JSON lines, or text for people.
    pub format: LogFormat,
    /// Operational events below this level are not written. Access records have no threshold.
    pub level: tracing::Level,
    /// Which requests get an access record.
    pub access: LogAccess,
    /// How subjects are shown in access records.
    pub subject: LogSubject,
}

impl Default for LogSettings {
    /// The gateway file's defaults.
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            level: tracing::Level::INFO,
            access: LogAccess::Denied,
            subject: LogSubject::Plain,
        }
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of `key=value` for people.
    Text,
}

/// Which requests get an access record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAccess {
    /// Every request.
    All,
    /// Requests that the gateway refused.
    Denied,
}

/// How subjects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSubject {
    /// As in the token.
    Plain,
    /// As 16 hex digits of a hash under a key that is made anew at every start.
    Hashed,
}
