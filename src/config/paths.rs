//! Paths and addresses as texts: prefixes, sockets, URLs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;

use crate::net::{Endpoint, LONGEST_SOCKET_PATH, ListenAddress};

use super::scalars::Wrong;

/// A path that is put in front of another or taken away: `/` and whole literal segments, without a slash at the end.
pub(super) fn prefix(text: &str) -> Result<&str, Wrong> {
    let wrong = || Wrong::expected("a path of whole literal segments, such as `/api/v1`");
    let Some(rest) = text.strip_prefix('/') else { return Err(wrong().hint(format!("write `/{text}`"))) };
    if let Some(trimmed) = text.strip_suffix('/').filter(|_| !rest.is_empty()) {
        return Err(wrong().hint(format!("write `{trimmed}`, without the slash at the end")));
    }
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !br#"?#%\;{}"<>^`|"#.contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    if rest.is_empty() || rest.split('/').all(is_segment) { Ok(text) } else { Err(wrong()) }
}

/// `127.0.0.1:8080`, `[::1]:8080`.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let wrong = Wrong::expected("an IP address and a port, such as `127.0.0.1:8080` or `[::]:8080`");
        let port = text.rsplit(':').next().unwrap_or_default();
        match text.strip_prefix("localhost:") {
            Some(port) => wrong.hint(format!("write `127.0.0.1:{port}`")),
            None if text.starts_with("unix:") => wrong.hint("only `listeners` may be unix sockets"),
            None if text.starts_with(':') => wrong.hint(format!("write `0.0.0.0{text}` for every address")),
            None if port == text && text.parse::<u16>().is_ok() => wrong.hint(format!("write `127.0.0.1:{text}`")),
            None if text.parse::<IpAddr>().is_ok() => wrong.hint("write the port too"),
            None => wrong,
        }
    })
}

/// `127.0.0.1:8080`, `unix:/run/scopegate.sock`.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, Wrong> {
    match text.strip_prefix("unix:") {
        Some(path) => socket_path(path).map(ListenAddress::Unix),
        None => socket_address(text).map(ListenAddress::Tcp),
    }
}

/// The path of a unix socket. It is absolute, so that whoever connects and whoever starts the next process mean the same one.
fn socket_path(text: &str) -> Result<PathBuf, Wrong> {
    let wrong = || Wrong::expected("an absolute path behind `unix:`, such as `unix:/run/scopegate/http.sock`");
    let path = PathBuf::from(text);
    if text.contains('\0') {
        return Err(wrong());
    }
    if !path.is_absolute() {
        return Err(wrong().hint("write the whole path, from `/` on"));
    }
    if path.file_name().is_none() || text.ends_with('/') {
        return Err(wrong().hint("write the name of the socket too"));
    }
    if text.len() > LONGEST_SOCKET_PATH {
        let hint =
            format!("it has {} bytes, and the system takes {LONGEST_SOCKET_PATH}: choose a shorter one", text.len());
        return Err(wrong().hint(hint));
    }
    Ok(path)
}

/// Scheme and authority without path: how clients reach a listener.
pub(super) fn origin(text: &str) -> Result<Uri, Wrong> {
    let wrong = || Wrong::expected("scheme and authority, such as `https://api.example.com`");
    let uri = absolute(text).ok_or_else(wrong)?;
    let bare = uri.query().is_none() && uri.path() == "/";
    if bare { Ok(uri) } else { Err(wrong().hint("write no path: it would have no effect")) }
}

/// An http or https URL with a host and without user information.
pub(super) fn absolute(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    // `http` takes an empty port, and one that no socket has, for none.
    let has_bad_port = authority.port_u16().is_none() && authority.as_str().len() != authority.host().len();
    let fits = is_http
        && !has_bad_port
        && !authority.as_str().contains('@')
        && !authority.host().is_empty()
        && !text.contains('#');
    fits.then_some(uri)
}

/// An endpoint as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenEndpoint {
    pub(super) endpoint: Endpoint,
    /// Its scheme is `https`.
    pub(super) is_tls: bool,
}

/// The host, without brackets, and port of `http://host:port`, by default port 80, or of `https://host:port`, by default 443; or
/// the path of `unix:/path`.
pub(super) fn endpoint(text: &str) -> Result<WrittenEndpoint, Wrong> {
    let wrong = || Wrong::expected("`http://` or `https://` with host and port, such as `http://127.0.0.1:9000`");
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(WrittenEndpoint { endpoint: Endpoint::Unix(socket_path(path)?), is_tls: false });
    }
    if !text.contains("://") {
        return Err(wrong().hint(format!("write `http://{text}`")));
    }
    let uri = absolute(text).ok_or_else(wrong)?;
    let is_tls = uri.scheme_str() == Some("https");
    if uri.path() != "/" || uri.query().is_some() {
        return Err(wrong().hint("write its path as `base_path`"));
    }
    let authority = uri.authority().ok_or_else(wrong)?;
    match authority.port_u16() {
        Some(0) => Err(wrong().hint("port 0 is no port to connect to")),
        port => {
            let host = without_brackets(authority.host()).to_owned();
            let port = port.unwrap_or(if is_tls { 443 } else { 80 });
            Ok(WrittenEndpoint { endpoint: Endpoint::Tcp { host, port }, is_tls })
        }
    }
}

/// An IPv6 address stands in brackets (RFC 3986 §3.2.2).
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A JSON pointer (RFC 6901 §3): empty, or parts that begin with `/`, in which `~` is written `~0` and `/` is `~1`.
pub(super) fn pointer(text: &str) -> Result<&str, Wrong> {
    let wrong = || Wrong::expected("a JSON pointer such as `/roles` or `/realm_access/roles`");
    if !text.starts_with('/') {
        return Err(wrong().hint(format!("write `/{}`", text.replace('.', "/"))));
    }
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if escapes { Ok(text) } else { Err(wrong().hint("write `~0` for `~` and `~1` for `/` inside a name")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_whole_literal_segments() {
        let cases = [
            ("/", true),
            ("/api", true),
            ("/api/v1", true),
            ("/a.b/c-d_e~f/@x:y", true),
            ("", false),
            ("api", false),
            ("/api/", false),
            ("//api", false),
            ("/a//b", false),
            ("/a/../b", false),
            ("/.", false),
            ("/{id}", false),
            ("/a%2fb", false),
            ("/a?b", false),
            ("/a;b", false),
            ("/ä", false),
            ("/a b", false),
        ];
        for (text, expected) in cases {
            assert_eq!(prefix(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn sockets_are_named_by_an_absolute_path() {
        let long = format!("unix:/{}", "x".repeat(LONGEST_SOCKET_PATH));
        for (text, expected) in [
            ("unix:/run/api.sock", Some("/run/api.sock")),
            ("unix:/run/my api.sock", Some("/run/my api.sock")),
            ("unix:///run/api.sock", Some("/run/api.sock")),
            ("unix:run/api.sock", None),
            ("unix:api.sock", None),
            ("unix:/run/", None),
            ("unix:/", None),
            ("unix:", None),
            ("unix:/a\0b", None),
            (&*long, None),
        ] {
            let expected =
                expected.map(|path| WrittenEndpoint { endpoint: Endpoint::Unix(path.into()), is_tls: false });
            assert_eq!(endpoint(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn endpoints_are_http_or_https_with_one_host_and_port() {
        let cases = [
            ("http://127.0.0.1:9000", Some(("127.0.0.1", 9000, false))),
            ("http://api.internal", Some(("api.internal", 80, false))),
            ("http://api.internal:8080/", Some(("api.internal", 8080, false))),
            ("http://[::1]:9000", Some(("::1", 9000, false))),
            ("https://api.internal", Some(("api.internal", 443, true))),
            ("https://[::1]:8443", Some(("::1", 8443, true))),
            ("https://api.internal/v1", None),
            ("127.0.0.1:9000", None),
            ("http://user@api:1", None),
            ("http://api:0", None),
            ("http://api:", None),
            ("http://api:99999", None),
            ("http://api/v1", None),
            ("http://api/?x", None),
            ("http://", None),
            ("ftp://api", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(host, port, is_tls)| WrittenEndpoint {
                endpoint: Endpoint::Tcp { host: host.to_owned(), port },
                is_tls,
            });
            assert_eq!(endpoint(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn listeners_are_addresses_or_absolute_paths_of_sockets() {
        let longest = format!("unix:/{}", "x".repeat(LONGEST_SOCKET_PATH - 1));
        let cases = [
            ("127.0.0.1:8080", true),
            ("[::]:0", true),
            ("unix:/run/scopegate.sock", true),
            (&longest, true),
            (&format!("{longest}x"), false),
            ("unix:", false),
            ("unix:/", false),
            ("unix:/run/", false),
            ("unix:/run/..", false),
            ("unix:run/scopegate.sock", false),
            ("unix:@abstract", false),
            ("unix://run/scopegate.sock", true),
            ("/run/scopegate.sock", false),
        ];
        for (text, expected) in cases {
            let read = listen_address(text);
            assert_eq!(read.is_ok(), expected, "{text}");
        }
        let twice = listen_address("unix:/run//./s").ok().zip(listen_address("unix:/run/s").ok());
        assert!(twice.is_some_and(|(one, other)| one == other), "two spellings of one path");
    }

    #[test]
    fn pointers_rfc6901_section_3() {
        let cases = [
            ("/scope", true),
            ("/a/b", true),
            ("/a~0b~1c", true),
            ("/", true),
            ("scope", false),
            ("/a~", false),
            ("/a~2", false),
        ];
        for (text, expected) in cases {
            assert_eq!(pointer(text).is_ok(), expected, "{text}");
        }
        assert_eq!(pointer("realm_access.roles").unwrap_err().hint.unwrap(), "write `/realm_access/roles`");
    }
}
