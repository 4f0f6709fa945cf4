//! The fields of a request on their way to an upstream: hop-by-hop out, what could mislead out, ours in.

use http::header::{AUTHORIZATION, CONNECTION, TE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::net::Protocol;

/// Names to take away from one message; few, so that none is allocated.
type Names = SmallVec<[HeaderName; 8]>;

/// What is taken away besides what every upstream is spared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removal<'a> {
    /// `upstreams.<name>.remove`: lower case, with `-`.
    pub(super) more: &'a [HeaderName],
    /// Take the credentials away.
    pub(super) authorization: bool,
    /// Take away what a peer says of the way that the request has come.
    pub(super) forwarding: bool,
    /// What the upstream speaks.
    pub(super) protocol: Protocol,
}

/// Takes away all that may not reach an upstream, in one pass over the fields.
///
/// That is: what concerns this connection alone (RFC 9110 §7.6.1), with the members of `Connection` but those that name
/// `Authorization`, `Host` or a field of ours; the framing, which is made anew; what makes an upstream take another method or
/// path; every spelling, with any other sign for `-`, of a field of ours. Whether the peer takes trailers (`TE`) is told on.
pub(super) fn clean(fields: &mut HeaderMap, removal: Removal<'_>) {
    let mut names = Names::new();
    let mut trailers = false;
    for (name, value) in fields.iter() {
        if *name == CONNECTION {
            nominated(value, &mut names);
        }
        if *name == TE {
            trailers |= members(value).any(|member| member.eq_ignore_ascii_case(b"trailers"));
        }
        if removal.takes(name) {
            names.push(name.clone());
        }
    }
    for name in &names {
        fields.remove(name);
    }
    if trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
        if removal.protocol == Protocol::Http1 {
            fields.insert(CONNECTION, HeaderValue::from_static("te"));
        }
    }
}

/// Takes away from request trailers all that frames, routes, authenticates or is ours to say (RFC 9110 §6.5.1).
pub(super) fn clean_trailers(trailers: &mut HeaderMap, more: &[HeaderName]) {
    let removal = Removal { more, authorization: true, forwarding: true, protocol: Protocol::Http1 };
    let names: Names = trailers.keys().filter(|name| removal.takes_trailer(name)).cloned().collect();
    for name in &names {
        trailers.remove(name);
    }
}

/// Takes the names out of `Trailer` whose trailers would be taken away: hyper sends what it names, and only that.
pub(super) fn clean_trailer_names(fields: &mut HeaderMap, more: &[HeaderName]) {
    let removal = Removal { more, authorization: true, forwarding: true, protocol: Protocol::Http1 };
    announce_only(fields, |name| !removal.takes_trailer(name));
}

/// Leaves in `Trailer` the names of those trailers that are kept.
pub(super) fn announce_only(fields: &mut HeaderMap, is_kept: impl Fn(&HeaderName) -> bool) {
    if !fields.contains_key(TRAILER) {
        return;
    }
    let kept: Vec<String> = fields
        .get_all(TRAILER)
        .iter()
        .flat_map(members)
        .filter_map(|member| HeaderName::from_bytes(member).ok())
        .filter(is_kept)
        .map(|name| name.to_string())
        .collect();
    fields.remove(TRAILER);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_str(&kept.join(", "))) {
        fields.insert(TRAILER, value);
    }
}

impl Removal<'_> {
    /// What the gateway says for itself stands among the fields, and nowhere else.
    fn takes_trailer(&self, name: &HeaderName) -> bool {
        self.takes(name) || is_ours(name.as_str())
    }

    fn takes(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        match respelled(text) {
            None => self.takes_text(text),
            // A field that an upstream could fold to one that we add, or to the credentials, is another's voice.
            Some(folded) => {
                self.takes_text(&folded) || is_ours(&folded) || folded == "authorization" || is_forwarding(&folded)
            }
        }
    }

    fn takes_text(&self, text: &str) -> bool {
        is_of_this_hop(text)
            || misleads(text)
            || text.starts_with("scopegate-")
            || (self.authorization && text == "authorization")
            || (self.forwarding && is_forwarding(text))
            || self.more.iter().any(|name| name.as_str() == text)
    }
}

/// A name with `-` for every sign that is no letter or digit, for names that have another sign than `-`.
///
/// RFC 3875 §4.1.18 makes `-` a `_`, so that `_` cannot be told from it; PHP takes `.` for `_` besides, others any sign.
fn respelled(name: &str) -> Option<String> {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.bytes().all(stays) {
        return None;
    }
    Some(name.replace(|character: char| !character.is_ascii_alphanumeric(), "-"))
}

/// Fields of this connection or of this message's framing (RFC 9110 §7.6.1, RFC 9112 §6). `Expect` is met by the gateway itself:
/// over HTTP/1.1 it asks for the content when the upstream does; a peer of HTTP/2 sends it when it has waited long enough.
fn is_of_this_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "content-length"
            | "upgrade"
            | "http2-settings"
            | "expect"
    )
}

/// Fields by which an upstream might take another method or another path than were decided on.
fn misleads(name: &str) -> bool {
    name.starts_with("x-")
        && matches!(
            name,
            "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
                | "x-original-url"
                | "x-rewrite-url"
                | "x-override-url"
                | "x-original-uri"
                | "x-forwarded-path"
                | "x-forwarded-uri"
                | "x-forwarded-prefix"
                | "x-proxy-url"
        )
}

/// What tells of the way that a request has come: also fields by which other gateways name a user.
fn is_forwarding(name: &str) -> bool {
    name == "forwarded" || name.starts_with("x-forwarded-")
}

fn is_ours(name: &str) -> bool {
    matches!(name, "via" | "x-request-id" | "host") || name.starts_with("scopegate-")
}

/// Collects the members of a `Connection` value, but those that name what the gateway decides by or adds.
fn nominated(value: &HeaderValue, names: &mut Names) {
    for member in members(value) {
        let Ok(name) = HeaderName::from_bytes(member) else { continue };
        let text = name.as_str();
        let protected = name == AUTHORIZATION || is_ours(text) || is_forwarding(text);
        if !protected {
            names.push(name);
        }
    }
}

/// The members of a comma-separated list (RFC 9110 §5.6.1), trimmed, empty ones left out.
pub(super) fn members(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
