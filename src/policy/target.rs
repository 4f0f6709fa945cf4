//! The request target (RFC 9112 §3.2): read once, refused where it could not be read alike by everybody.

use std::borrow::Cow;

use http::uri::Scheme;
use http::{HeaderValue, Uri};

use crate::policy::authority::Authority;
use crate::policy::{Denial, escapes};

/// What one request asks for: a host, a path and a query.
///
/// The host is in lower case, without port and trailing dot. The path is as sent but that unreserved escapes are decoded;
/// it is ASCII, has no dot segment, control character or invalid UTF-8 at any level of decoding. Borrowed from the request;
/// allocates only where the path has something to decode or the host has capitals.
#[derive(Clone, Debug)]
pub struct RequestTarget<'a> {
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    query: Option<&'a str>,
    is_rewritten: bool,
    signs: u8,
}

/// How often a path may be encoded; whoever decodes more often is not known, and each level costs a pass.
const MOST_LEVELS: usize = 64;

impl<'a> RequestTarget<'a> {
    /// Reads a target of origin-form or absolute-form; `host_field` is the only `Host` field of the message.
    ///
    /// # Errors
    ///
    /// [`Denial::BadRequest`] for another form, a malformed `Host`, an authority that differs from it, raw bytes outside
    /// printable ASCII, a malformed escape; and at every level of decoding, of which there may be 64: control characters,
    /// invalid UTF-8, and dot segments, where `\`, `%2F` and `%5C` count as slashes and `;…` is cut.
    pub fn read(uri: &'a Uri, host_field: &'a HeaderValue) -> Result<Self, Denial> {
        let host = host_field.to_str().ok().and_then(Authority::parse).ok_or(Denial::BadRequest)?;
        check_authority(uri, &host)?;
        let sent = uri.path();
        if !sent.starts_with('/') || !uri.query().unwrap_or("").bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Denial::BadRequest);
        }
        let (path, signs) = examine(sent)?;
        // RFC 9112 §3.2.1: an absolute target may have no path at all, which means the root. `Uri` says `/` for both.
        let is_rewritten = matches!(path, Cow::Owned(_)) || (uri.scheme().is_some() && path == "/");
        Ok(Self { host: host.host, path, query: uri.query(), is_rewritten, signs })
    }

    /// Returns the host as hosts are compared.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the path with unreserved escapes decoded: what is looked up and forwarded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the query as sent, without its `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Says whether the path is, or could be, another text than the one that was sent.
    pub fn is_rewritten(&self) -> bool {
        self.is_rewritten
    }

    /// Whether the path has a character, or `//`, by which readings other than letter case and slash at the end differ.
    pub(super) fn has_readings(&self) -> bool {
        self.signs & (sign::PERCENT | sign::SEMICOLON | sign::BACKSLASH | sign::EMPTY_SEGMENT) != 0
    }

    /// Whether the path has a dot, which some upstreams cut with what follows.
    pub(super) fn has_dot(&self) -> bool {
        self.signs & sign::DOT != 0
    }

    /// Whether the path has a capital letter.
    pub(super) fn has_capitals(&self) -> bool {
        self.signs & sign::CAPITAL != 0
    }

    /// A target of these parts, which are what `read` would give.
    #[cfg(test)]
    pub(super) fn of(host: &'a str, path: &'a str) -> Self {
        Self { host: host.into(), path: path.into(), query: None, is_rewritten: false, signs: signs(path) }
    }
}

/// RFC 9112 §3.2.2: an absolute-form target's authority must be that of `Host`. Other forms are refused, `*` too.
fn check_authority(uri: &Uri, host: &Authority<'_>) -> Result<(), Denial> {
    let (scheme, authority) = match (uri.scheme(), uri.authority()) {
        (None, None) => return Ok(()),
        (Some(scheme), Some(authority)) => (scheme, authority),
        (Some(_), None) | (None, Some(_)) => return Err(Denial::BadRequest),
    };
    let default = if *scheme == Scheme::HTTP {
        80
    } else if *scheme == Scheme::HTTPS {
        443
    } else {
        return Err(Denial::BadRequest);
    };
    match Authority::parse(authority.as_str()) {
        Some(authority) if authority.is_same(host, default) => Ok(()),
        Some(_) | None => Err(Denial::BadRequest),
    }
}

/// What a path has, as bits, so that one pass tells all.
mod sign {
    pub(super) const PERCENT: u8 = 1;
    pub(super) const SEMICOLON: u8 = 2;
    pub(super) const BACKSLASH: u8 = 4;
    pub(super) const EMPTY_SEGMENT: u8 = 8;
    pub(super) const LEADING_DOT: u8 = 16;
    pub(super) const DOT: u8 = 32;
    pub(super) const CAPITAL: u8 = 64;
    pub(super) const UNPRINTABLE: u8 = 128;
}

/// The sign of each byte, wherever it stands.
const SIGNS: [u8; 256] = {
    let mut signs = [0; 256];
    let (mut left, mut byte): (&mut [u8], u8) = (&mut signs, 0);
    while let Some((sign, rest)) = left.split_first_mut() {
        *sign = sign_of(byte);
        (left, byte) = (rest, byte.wrapping_add(1));
    }
    signs
};

const fn sign_of(byte: u8) -> u8 {
    match byte {
        b'%' => sign::PERCENT,
        b';' => sign::SEMICOLON,
        b'\\' => sign::BACKSLASH,
        b'.' => sign::DOT,
        b'A'..=b'Z' => sign::CAPITAL,
        b'!'..=b'~' => 0,
        _ => sign::UNPRINTABLE,
    }
}

fn signs(path: &str) -> u8 {
    let (mut seen, mut after_slash) = (0, false);
    for byte in path.bytes() {
        seen |= SIGNS.get(usize::from(byte)).unwrap_or(&sign::UNPRINTABLE);
        if after_slash {
            seen |= match byte {
                b'/' => sign::EMPTY_SEGMENT,
                b'.' => sign::LEADING_DOT,
                _ => 0,
            };
        }
        after_slash = byte == b'/';
    }
    seen
}

/// The path with unreserved escapes decoded, and its signs, if nothing in it is refused outright.
fn examine(sent: &str) -> Result<(Cow<'_, str>, u8), Denial> {
    let seen = signs(sent);
    if seen & sign::UNPRINTABLE != 0 {
        return Err(Denial::BadRequest);
    }
    if seen & (sign::PERCENT | sign::BACKSLASH | sign::LEADING_DOT) == 0 {
        return Ok((Cow::Borrowed(sent), seen));
    }
    if !escapes::are_well_formed(sent) {
        return Err(Denial::BadRequest);
    }
    let path = escapes::decode_unreserved(sent);
    check_levels(&path)?;
    let seen = signs(&path);
    Ok((path, seen))
}

/// Checks the path as it is and decoded once, twice, and so on.
fn check_levels(path: &str) -> Result<(), Denial> {
    let mut level = Cow::Borrowed(path);
    for _ in 0..MOST_LEVELS {
        if has_dot_segment(&level) || level.chars().any(char::is_control) {
            return Err(Denial::BadRequest);
        }
        match escapes::decode(&level, false) {
            Ok(Some(next)) => level = Cow::Owned(next),
            Ok(None) => return Ok(()),
            Err(escapes::NotUtf8) => return Err(Denial::BadRequest),
        }
    }
    Err(Denial::BadRequest)
}

/// Whether some segment is `.` or `..`, where `\`, `%2F` and `%5C` count as slashes and `;…` is cut.
pub(super) fn has_dot_segment(path: &str) -> bool {
    // Most paths have no dot at all, and need no look at each segment.
    path.contains('.')
        && path.split(['/', '\\']).any(|segment| {
            let mut parts = segment.split('%');
            let mut text = parts.next().unwrap_or("");
            // A `%` ends a name only where it begins an escaped slash: otherwise it makes the name something else.
            for part in parts {
                match escapes::leading_byte(part) {
                    Some(b'/' | b'\\') if is_dots(text) => return true,
                    Some(b'/' | b'\\') => text = part.get(2..).unwrap_or(""),
                    Some(_) | None if is_cut_dots(text) => return true,
                    Some(_) | None => text = "%",
                }
            }
            is_dots(text)
        })
}

/// Whether a segment is `.` or `..` once `;…` is cut.
fn is_dots(segment: &str) -> bool {
    matches!(segment.split_once(';').map_or(segment, |(name, _)| name), "." | "..")
}

/// Whether a text that goes on is a dot segment all the same, because what goes on is cut.
fn is_cut_dots(text: &str) -> bool {
    text.contains(';') && is_dots(text)
}
