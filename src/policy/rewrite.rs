//! The path that is forwarded: a route's prefixes and its upstream's base path, checked when the table is built.
//!
//! Only whole leading segments are exchanged, for texts without dot segments and escapes, and no path that is looked up
//! has a dot segment at any level of decoding: what is forwarded can never leave the base path.

use crate::policy::segment::Segment;
use crate::policy::{Found, RequestTarget, Route, RouteTable, TableFault, UpstreamRules};

/// What is done to a route's paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rewrite {
    /// Bytes that are taken off; every path of the route begins with them.
    strip: usize,
    /// What is put in front.
    prefix: String,
}

impl Rewrite {
    /// Checks a route's prefixes, the route being at `position`.
    pub(super) fn of(route: &Route, position: usize, base: &str) -> Result<Self, TableFault> {
        let strip = match route.strip_prefix.as_deref() {
            None => 0,
            Some(prefix) => stripped_bytes(route, prefix).ok_or(TableFault::StripPrefix { route: position })?,
        };
        let added = match route.add_prefix.as_deref() {
            None => "",
            Some(prefix) => plain(prefix).ok_or(TableFault::AddPrefix { route: position })?,
        };
        Ok(Self { strip, prefix: format!("{base}{added}") })
    }

    fn is_identity(&self) -> bool {
        self.strip == 0 && self.prefix.is_empty()
    }
}

/// An upstream's base path without a slash at its end, the upstream being at `position`.
pub(super) fn base_path(upstream: &UpstreamRules, position: usize) -> Result<&str, TableFault> {
    plain(&upstream.base_path).ok_or(TableFault::BasePath { upstream: position })
}

impl RouteTable {
    /// Returns the path and query to forward, `None` where the target goes as it was sent.
    ///
    /// The route's `strip_prefix` is taken off, its `add_prefix` put in front, then the upstream's base path; an empty
    /// rest is `/`.
    pub fn rewrite(&self, found: Found, target: &RequestTarget<'_>) -> Option<String> {
        let rewrite = self.compiled(found.route).map(|compiled| &compiled.rewrite)?;
        if rewrite.is_identity() && !target.is_rewritten() {
            return None;
        }
        let rest = target.path().get(rewrite.strip..).filter(|rest| !rest.is_empty()).unwrap_or("/");
        let (mark, query) = target.query().map_or(("", ""), |query| ("?", query));
        Some([&rewrite.prefix, rest, mark, query].concat())
    }
}

/// How many bytes `prefix` takes off, if it is whole leading literal segments of the template.
fn stripped_bytes(route: &Route, prefix: &str) -> Option<usize> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.is_empty() {
        return Some(0);
    }
    let mut segments = route.template.segments().iter();
    let literal = |text: &str| matches!(segments.next(), Some(Segment::Literal(literal)) if **literal == *text && !text.is_empty());
    prefix.strip_prefix('/')?.split('/').all(literal).then_some(prefix.len())
}

/// A prefix without a slash at its end, if it is slashes and plain segments.
fn plain(prefix: &str) -> Option<&str> {
    let segments = prefix.strip_suffix('/').unwrap_or(prefix);
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"%?#;\\{}".contains(&byte);
    let segment = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(fits);
    let is_plain = prefix.starts_with('/') && segments.split('/').skip(1).all(segment);
    is_plain.then_some(segments)
}
