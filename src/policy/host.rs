//! Hosts of routes: a name, or every name below one.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::policy::authority::{Authority, MOST_HOST_BYTES, host_name};

/// A host of a route: `api.example.com`, `*.example.com`, `[::1]`.
///
/// In lower case, without port and trailing dot. `*.example.com` is one or more labels before the name, never the name
/// itself. An IPv6 address is in the spelling of RFC 5952.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern {
    text: Arc<str>,
}

/// What is wrong with the text of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostFault {
    /// Lower case, no full stop.
    pub message: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl HostPattern {
    /// Reads a host.
    ///
    /// # Errors
    ///
    /// A host that is empty, not ASCII, has a scheme, user information, a port, a path, or a `*` elsewhere than as its
    /// first label, or is no host name at all.
    pub fn parse(text: &str) -> Result<Self, HostFault> {
        let (wildcard, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
        match Authority::parse(name) {
            Some(Authority { host, port: None })
                if !name.ends_with(':') && (wildcard.is_empty() || !host.starts_with('[')) =>
            {
                Ok(Self { text: format!("{wildcard}{host}").into() })
            }
            Some(_) | None => Err(explain(text, name)),
        }
    }

    /// Returns the host in the spelling in which hosts are compared.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name below which every name is meant, for `*.name`.
    pub(super) fn parent(&self) -> Option<&str> {
        self.text.strip_prefix("*.")
    }
}

/// What is wrong with a host that could not be read; `name` is without the leading `*.`.
fn explain(text: &str, name: &str) -> HostFault {
    let fault = |message: &str, hint: Option<String>| HostFault { message: message.to_owned(), hint };
    if text.is_empty() {
        return fault(
            "the host is empty",
            Some("leave `host` out for a route of every host that has no routes of its own".to_owned()),
        );
    }
    if text == "*" {
        return fault(
            "`*` is no host",
            Some("leave `host` out for a route of every host that has no routes of its own".to_owned()),
        );
    }
    if !text.is_ascii() {
        return fault("the host is not ASCII", Some("write the name in A-labels: `xn--bcher-kva.example`".to_owned()));
    }
    if let Some((_, after)) = text.split_once("://") {
        let host = after.split(['/', ':']).next().unwrap_or("");
        return fault("a host has no scheme", Some(format!("write `{host}`")));
    }
    if name.contains('*') {
        return fault("a `*` may only be the first label", Some("write `*.example.com`".to_owned()));
    }
    if name.parse::<Ipv6Addr>().is_ok() {
        return fault("an IPv6 address is written in brackets", Some(format!("write `[{name}]`")));
    }
    if let Some((host, _)) = name.rsplit_once(':').filter(|(host, _)| host_name(host).is_some() || host.ends_with(']'))
    {
        return fault("hosts are compared without port", Some(format!("write `{host}`")));
    }
    if name.len() > MOST_HOST_BYTES {
        return fault("the host is longer than 253 bytes", None);
    }
    fault(
        "the host is no host name",
        Some("labels are made of letters, digits, `-` and `_`, at most 63 of them".to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_one_spelling() {
        for (text, expected) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.com.", "api.example.com"),
            ("*.Example.com", "*.example.com"),
            ("[0:0::1]", "[::1]"),
            ("127.0.0.1", "127.0.0.1"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(HostPattern::parse(text).unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn faults_say_what_to_write() {
        for (text, message, hint) in [
            ("", "the host is empty", Some("leave `host` out for a route of every host that has no routes of its own")),
            ("*", "`*` is no host", Some("leave `host` out for a route of every host that has no routes of its own")),
            (
                "b\u{fc}cher.example",
                "the host is not ASCII",
                Some("write the name in A-labels: `xn--bcher-kva.example`"),
            ),
            ("https://api.test/x", "a host has no scheme", Some("write `api.test`")),
            ("api.*.test", "a `*` may only be the first label", Some("write `*.example.com`")),
            ("*.*.test", "a `*` may only be the first label", Some("write `*.example.com`")),
            ("::1", "an IPv6 address is written in brackets", Some("write `[::1]`")),
            ("api.test:8080", "hosts are compared without port", Some("write `api.test`")),
            ("[::1]:80", "hosts are compared without port", Some("write `[::1]`")),
            ("api.test:", "hosts are compared without port", Some("write `api.test`")),
            (
                "a/b",
                "the host is no host name",
                Some("labels are made of letters, digits, `-` and `_`, at most 63 of them"),
            ),
            (
                "*.[::1]",
                "the host is no host name",
                Some("labels are made of letters, digits, `-` and `_`, at most 63 of them"),
            ),
        ] {
            let fault = HostPattern::parse(text).unwrap_err();
            assert_eq!((&*fault.message, fault.hint.as_deref()), (message, hint), "{text}");
        }
    }
}
