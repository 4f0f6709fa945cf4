//! Requests of the administration API, read strictly: nothing unknown, nothing twice, nothing of another kind.

use std::collections::BTreeSet;

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::IntoParams;

use super::api_problem::Problem;
use crate::store::ScopeNames;

/// Entries of a page when nothing is said.
const DEFAULT: u32 = 50;
/// Entries of a page at most.
const MOST: u32 = 200;
/// Bytes of a cursor at most.
const CURSOR: usize = 1000;

/// What stands in the path.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value))
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_request", "the path is no UTF-8"))
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The cursor that the page before ended with (`next`); from the beginning without it.
    #[param(max_length = 1000, required = false, value_type = String)]
    pub(super) after: String,
    /// Entries at most.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    pub(super) limit: u32,
}

/// Which part of which approvals is listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read elsewhere")]
pub(super) struct PageOf {
    /// The cursor that the page before ended with (`next`); from the beginning without it.
    #[param(max_length = 1000, required = false)]
    after: String,
    /// Entries at most.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: u32,
    /// A user's identifier.
    #[param(required = false)]
    user: String,
    /// A client's identifier.
    #[param(required = false)]
    client: String,
}

impl Page {
    /// One more than is asked for: whether there is more behind.
    pub(super) fn reading(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// Cuts what was read to the page, with the cursor of its last entry where there is more.
    pub(super) fn cut<T>(&self, mut entries: Vec<T>, cursor: impl FnOnce(&T) -> String) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(cursor);
        (entries, next)
    }
}

/// Reads a query: a page, and filters of the names that are given, in their order.
///
/// # Errors
///
/// `bad_request` for any other parameter, one that is given twice, or a limit that is none.
pub(super) fn query<const FILTERS: usize>(
    text: Option<&str>,
    filters: [&str; FILTERS],
) -> Result<(Page, [Option<String>; FILTERS]), Problem> {
    let refuse = |what: String| Problem::new(StatusCode::BAD_REQUEST, "bad_request", what);
    let (mut page, mut found) = (Page { after: String::new(), limit: DEFAULT }, [const { None }; FILTERS]);
    let mut seen = BTreeSet::new();
    for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
        if !seen.insert(name.to_string()) {
            return Err(refuse("a parameter of the query is given twice".to_owned()));
        }
        let filter = filters.iter().zip(&mut found).find(|(filter, _)| **filter == name);
        match (&*name, filter) {
            (_, Some((_, slot))) => *slot = Some(value.into_owned()),
            ("after", None) if value.chars().count() <= CURSOR => page.after = value.into_owned(),
            ("limit", None) => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit) && !value.starts_with('+'));
                page.limit = limit.ok_or_else(|| refuse(format!("`limit` must be a number from 1 to {MOST}")))?;
            }
            _ => return Err(refuse("the query has a parameter that is unknown here, or too long".to_owned())),
        }
    }
    Ok((page, found))
}

/// Which bodies an operation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something to be made.
    Whole,
    /// A merge patch (RFC 7396): what is not named stays.
    Patch,
}

/// Reads a body.
///
/// # Errors
///
/// 415 for another type, 400 for what is no JSON, 422 for JSON of another form.
pub(super) fn body<T: DeserializeOwned>(kind: Kind, fields: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    let written = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = written.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    if !(is("application/json") || (kind == Kind::Patch && is("application/merge-patch+json"))) {
        let detail = "the body must be `application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (status, kind) = match error.classify() {
            serde_json::error::Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => (StatusCode::BAD_REQUEST, "bad_request"),
        };
        Problem::new(status, kind, format!("the body cannot be read: {error}"))
    })
}

/// A member that may be left out, and may not be `null`.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}

/// A list in which nothing stands twice.
///
/// # Errors
///
/// `invalid`.
pub(super) fn set<T: Ord>(member: &str, list: Vec<T>, most: usize) -> Result<BTreeSet<T>, Problem> {
    let count = list.len();
    let set: BTreeSet<T> = list.into_iter().collect();
    if count > most {
        return Err(Problem::invalid(member, &format!("must be at most {most}")));
    }
    if set.len() == count { Ok(set) } else { Err(Problem::invalid(member, "names one twice")) }
}

/// A list of scopes in which nothing stands twice and each is one.
///
/// # Errors
///
/// `invalid`.
pub(super) fn scope_list(member: &str, list: Vec<String>) -> Result<ScopeNames, Problem> {
    let set = set(member, list, 500)?;
    // A name with a space in it would be two in a `scope` parameter.
    if set.iter().any(|name| name.is_empty() || name.contains(' ')) {
        return Err(Problem::invalid(member, "names what is no scope"));
    }
    Ok(set.iter().map(String::as_str).collect())
}

/// An answer in JSON that nobody keeps.
pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default();
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, fields, text).into_response()
}

/// The answer for something that was made, with its address.
pub(super) fn created(address: &str, value: &impl Serialize) -> Response {
    let mut response = answer(StatusCode::CREATED, value);
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, address);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        let read = |text: &str| query(Some(text), ["user"]).map(|(page, [user])| (page.after, page.limit, user)).ok();
        let user = |name: &str| Some(name.to_owned());
        for (text, expected) in [
            ("", Some((String::new(), 50, None))),
            ("limit=1", Some((String::new(), 1, None))),
            ("limit=200&after=a%20b&user=u", Some(("a b".to_owned(), 200, user("u")))),
            ("user=", Some((String::new(), 50, user("")))),
            ("limit=0", None),
            ("limit=201", None),
            ("limit=+5", None),
            ("limit=five", None),
            ("limit=1&limit=2", None),
            ("client=c", None),
            ("user=a&user=b", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert!(read(&format!("after={}", "x".repeat(CURSOR + 1))).is_none());
    }

    #[test]
    fn a_page_ends_with_a_cursor_only_where_there_is_more() {
        let page = Page { after: String::new(), limit: 2 };
        let cut = |entries: &[&'static str]| page.cut(entries.to_vec(), |entry| (*entry).to_owned());
        assert_eq!(cut(&["a", "b"]), (vec!["a", "b"], None));
        assert_eq!(cut(&["a", "b", "c"]), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(cut(&[]), (vec![], None));
    }
}
