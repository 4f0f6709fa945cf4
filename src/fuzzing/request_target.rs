//! The request target, its readings and the lookup: what is forwarded is what was decided on, for every upstream.

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri};

use super::lines::Lines;
use super::served::{METHOD_PARAMETER, Served, entry_of};
use super::{naive, upstream_readings};
use crate::policy::{Denial, Found, Readings, RequestTarget, RouteIndex};

/// Longer inputs say no more.
const MOST_BYTES: usize = 2048;

/// Lines: method; `Host`; request target; the letters of the readings that are switched on; then a route a line, as `served` reads it.
///
/// * What is accepted has no dot segment, control character or broken UTF-8 however often it is decoded, differs from what was
///   sent only by escapes of unreserved characters, and is accepted once more as it is.
/// * The route that is found is the one that a plain look at all templates finds, and every text that an upstream with these
///   readings could make of the path leads to the same upstream and asks the same; where one does not, the request is refused.
/// * What is forwarded begins with the upstream's base path in every reading, and carries the path and query decided on.
/// * A query by which an upstream would take another method is refused.
/// * The explanation says the same as the decision.
pub fn request_target(bytes: &[u8]) {
    let mut lines = Lines::of(bytes);
    let (method, host, target) = (lines.line(), lines.line(), lines.line());
    let readings = readings(lines.line());
    let (Ok(method), Ok(host)) = (Method::from_bytes(method), HeaderValue::from_bytes(host)) else { return };
    let Ok(uri) = Uri::try_from(target) else { return };
    if bytes.len() > MOST_BYTES {
        return;
    }
    let Ok(target) = RequestTarget::read(&uri, &host) else {
        assert!(!is_harmless(&uri) || !is_plain_host(&host), "{uri} is refused");
        return;
    };
    is_read_alike(&uri, &host, &target);
    let served = Served::new(readings, lines);
    let found = served.table.find(&target, &method);
    is_found_rightly(&served, &target, &method, &found);
    if let Ok(found) = found {
        is_forwarded_as_decided(&served, &uri, &target, found);
    }
}

fn readings(letters: &[u8]) -> Readings {
    let on = |letter| letters.contains(&letter);
    Readings {
        decoding: on(b'd'),
        encoded_slash: on(b's'),
        path_parameters: on(b'p'),
        merged_slashes: on(b'm'),
        query_in_path: on(b'q'),
        trailing_slash: on(b't'),
        letter_case: on(b'l'),
        suffix: on(b'x'),
        trailing_dot: on(b'o'),
    }
}

fn is_harmless(uri: &Uri) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_~".contains(&byte);
    uri.authority().is_none() && uri.path().starts_with('/') && uri.path().bytes().all(fits) && uri.query().is_none()
}

fn is_plain_host(host: &HeaderValue) -> bool {
    matches!(host.as_bytes(), b"api.test" | b"other.test:8080")
}

/// What was accepted means one thing to everybody.
fn is_read_alike(uri: &Uri, host: &HeaderValue, target: &RequestTarget<'_>) {
    let path = target.path();
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
    let mut level = path.to_owned();
    loop {
        assert!(!naive::has_dot_segment(&level) && !level.chars().any(char::is_control), "{path} as {level:?}");
        let next = naive::decode(&level, |_| false).unwrap_or_else(|| panic!("{path} is no UTF-8"));
        if next == level {
            break;
        }
        level = next;
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    assert_eq!(path, naive::decode(uri.path(), |byte| !unreserved(byte)).unwrap());
    assert_eq!(target.query(), uri.query());
    // An absolute form without a path is forwarded as the root, which is another text.
    assert!(target.is_rewritten() || uri.path_and_query().is_some_and(|sent| sent.path() == path));
    let own = format!("{path}{}", target.query().map_or(String::new(), |query| format!("?{query}")));
    let own = Uri::try_from(own).unwrap();
    let again = RequestTarget::read(&own, host).unwrap();
    assert_eq!((again.path(), again.query(), again.host()), (path, target.query(), target.host()));
    assert!(!again.is_rewritten(), "{path}");
}

fn is_found_rightly(served: &Served, target: &RequestTarget<'_>, method: &Method, found: &Result<Found, Denial>) {
    let (host, path) = (target.host(), target.path());
    let Some(winner) = served.winner(host, path) else {
        assert_eq!(*found, Err(Denial::NoRoute), "{path}");
        return;
    };
    let candidates = served.table.candidates(target);
    assert_eq!(
        (candidates.first().copied(), candidates.len()),
        (Some(index(winner)), served.count(host, path)),
        "{path}"
    );
    let texts = upstream_readings::texts(served.readings(winner), path);
    let straying = texts.as_ref().map(|texts| texts.iter().find(|text| !served.leads_to(winner, host, method, text)));
    let is_one = straying == Some(None);
    assert_eq!(*found != Err(Denial::AmbiguousPath), is_one, "{path} to {}: {straying:?}", served.text(winner));
    let route = &served.table.routes()[winner];
    if let Some(position) = route.methods.iter().position(|(own, _)| Some(own) == entry_name(served, winner, method)) {
        let traces = served.table.readings(target, Found { route: index(winner), method: position });
        assert_eq!(traces.iter().all(|trace| trace.agrees), is_one, "{path} is explained otherwise: {traces:?}");
    }
    if let Ok(found) = found {
        assert_eq!(found.route, index(winner), "{path}");
        assert_eq!(Some(served.table.entry(*found)), entry_of(route, method));
        assert!(!target.query().is_some_and(names_a_method), "{:?}", target.query());
    }
}

/// The method whose entry is the method's.
fn entry_name<'s>(served: &'s Served, route: usize, method: &'s Method) -> Option<&'s Method> {
    let route = &served.table.routes()[route];
    let named = |method: &Method| route.methods.iter().any(|(own, _)| own == method);
    if named(method) { Some(method) } else { (*method == Method::HEAD).then_some(&Method::GET) }
}

/// Whether a form parser finds the parameter by which a method is taken.
fn names_a_method(query: &str) -> bool {
    let by_both = query.split(';').flat_map(|part| form_urlencoded::parse(part.as_bytes()).collect::<Vec<_>>());
    let whole = form_urlencoded::parse(query.as_bytes());
    whole.chain(by_both).any(|(name, _)| name == METHOD_PARAMETER)
}

fn is_forwarded_as_decided(served: &Served, uri: &Uri, target: &RequestTarget<'_>, found: Found) {
    let forwarded = match served.table.rewrite(found, target) {
        Some(rewritten) => {
            PathAndQuery::try_from(rewritten.as_str()).unwrap_or_else(|fault| panic!("{rewritten}: {fault}"))
        }
        None => uri.path_and_query().cloned().unwrap(),
    };
    let route = found.route.0 as usize;
    let (prefix, stripped) = served.prefixes(route);
    let rest = &target.path()[stripped..];
    let expected = format!("{prefix}{}", if rest.is_empty() { "/" } else { rest });
    assert_eq!((forwarded.path(), forwarded.query()), (expected.as_str(), target.query()));
    let (uri, host) = (Uri::from(forwarded), HeaderValue::from_static("api.test"));
    let again = RequestTarget::read(&uri, &host).unwrap_or_else(|denial| panic!("{uri}: {denial:?}"));
    assert_eq!(again.path(), expected, "what is forwarded is read as it is");
    let texts = upstream_readings::texts(served.readings(route), &expected).unwrap_or_default();
    for text in texts {
        let inside = text.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        assert!(inside, "`{text}` leaves `{prefix}`");
    }
}

fn index(position: usize) -> RouteIndex {
    RouteIndex(u32::try_from(position).unwrap())
}
