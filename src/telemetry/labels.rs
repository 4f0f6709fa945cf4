//! The closed lists that metric labels are taken from, and those of requests, tokens and what is fetched.

use std::marker::PhantomData;

use http::Method;

use crate::policy::Access;

/// A label value out of a closed list.
pub(super) trait ClosedLabel: Copy + 'static {
    /// Every value, in the order of [`ClosedLabel::index`].
    const ALL: &'static [Self];
    /// The text of the label.
    fn text(self) -> &'static str;
    /// Position in [`ClosedLabel::ALL`].
    fn index(self) -> usize;
}

/// One child for each value of a closed label, found without a look-up by text.
#[derive(Clone, Debug)]
pub(super) struct Children<L, M> {
    by_index: Box<[M]>,
    label: PhantomData<L>,
}

impl<L: ClosedLabel, M> Children<L, M> {
    /// Makes the child of every value of the list.
    pub(super) fn of(make: impl FnMut(&'static str) -> M) -> Self {
        Self { by_index: L::ALL.iter().copied().map(L::text).map(make).collect(), label: PhantomData }
    }

    /// The child of one value; `None` never happens for a list whose `ALL` is complete.
    pub(super) fn get(&self, label: L) -> Option<&M> {
        self.by_index.get(label.index())
    }
}

/// Who gave the answer that the client saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The gateway answered by itself.
    Gateway,
    /// The upstream's answer was passed on.
    Upstream,
}

impl Source {
    /// Returns the text of the label and of the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

impl ClosedLabel for Source {
    const ALL: &'static [Self] = &[Self::Gateway, Self::Upstream];
    fn text(self) -> &'static str {
        self.as_str()
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// How the token of a decision was come by: the label `token` of `scopegate_decision_duration_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenLabel {
    /// Out of the memory of verified tokens.
    Cached,
    /// A JWT, verified for this request.
    Jwt,
    /// No JWT; its issuer was asked for this request.
    Introspection,
    /// No token was shown or asked for.
    None,
}

impl TokenLabel {
    /// Returns the text of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Jwt => "jwt",
            Self::Introspection => "introspection",
            Self::None => "none",
        }
    }
}

impl ClosedLabel for TokenLabel {
    const ALL: &'static [Self] = &[Self::Cached, Self::Jwt, Self::Introspection, Self::None];
    fn text(self) -> &'static str {
        self.as_str()
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What the memory of verified tokens answered: `scopegate_token_cache_lookups_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// Remembered and still good.
    Hit,
    /// Not remembered.
    Miss,
    /// Remembered, but its keys, issuer or time have passed.
    Stale,
}

impl ClosedLabel for CacheResult {
    const ALL: &'static [Self] = &[Self::Hit, Self::Miss, Self::Stale];
    fn text(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// How a fetch ended: the label `result` of `scopegate_keys_fetch_total`, `scopegate_revocations_fetch_total` and
/// `scopegate_role_directory_fetch_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchResult {
    /// What was asked for was read, or is unchanged.
    Ok,
    /// No connection, or a status other than 200.
    Failed,
    /// Not within the time allowed.
    TimedOut,
    /// Beyond the bytes or entries allowed.
    TooLarge,
    /// Not what was asked for, a key set without a usable key, or no metadata.
    Malformed,
    /// Metadata of another issuer, or that names an address that may not be used.
    Untrusted,
}

impl ClosedLabel for FetchResult {
    const ALL: &'static [Self] =
        &[Self::Ok, Self::Failed, Self::TimedOut, Self::TooLarge, Self::Malformed, Self::Untrusted];
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// How a reload ended: `scopegate_reload_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReloadResult {
    /// A new table is in force.
    Ok,
    /// The files hold what is in force already.
    Unchanged,
    /// The files hold a fault, and what was in force stays.
    Failed,
}

impl ClosedLabel for ReloadResult {
    const ALL: &'static [Self] = &[Self::Ok, Self::Unchanged, Self::Failed];
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// The label `method`: a method of RFC 9110 §9 or PATCH (RFC 5789), or `OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MethodLabel {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl MethodLabel {
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::CONNECT => Self::Connect,
            Method::OPTIONS => Self::Options,
            Method::TRACE => Self::Trace,
            Method::PATCH => Self::Patch,
            _ => Self::Other,
        }
    }
}

impl ClosedLabel for MethodLabel {
    const ALL: &'static [Self] = &[
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
        Self::Other,
    ];
    fn text(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "OTHER",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

impl ClosedLabel for Access {
    const ALL: &'static [Self] = &[Self::User, Self::Admin, Self::Authenticated, Self::Public];
    fn text(self) -> &'static str {
        self.as_str()
    }
    fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_closed<L: ClosedLabel>(count: usize) {
        assert_eq!(L::ALL.len(), count);
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "`{}`", label.text());
        }
    }

    #[test]
    fn every_value_is_found_at_its_own_place() {
        assert_closed::<Source>(2);
        assert_closed::<TokenLabel>(4);
        assert_closed::<CacheResult>(3);
        assert_closed::<FetchResult>(6);
        assert_closed::<ReloadResult>(3);
        assert_closed::<MethodLabel>(10);
    }

    #[test]
    fn methods_outside_the_standards_are_other() {
        for (name, expected) in
            [("GET", "GET"), ("PATCH", "PATCH"), ("PURGE", "OTHER"), ("get", "OTHER"), ("RANDOM-1", "OTHER")]
        {
            assert_eq!(MethodLabel::of(&Method::from_bytes(name.as_bytes()).unwrap()).text(), expected, "{name}");
        }
    }
}
