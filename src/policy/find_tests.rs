//! Finding: hosts, methods, readings, refused parameters, and the shortcuts against the long way.

use http::Method;
use proptest::prelude::*;

use crate::policy::{
    Denial, Entry, Found, Readings, RequestTarget, Requirement, RouteIndex, RouteTable, Sides, Template, oracle,
};
use crate::scope::ScopeId;

const GET: (&str, Entry) = ("GET", Entry::Authenticated);

fn scoped(scope: u32) -> Entry {
    Entry::Scoped(Sides { user: Some(Requirement::Scope(ScopeId(scope))), admin: None })
}

fn table(readings: Readings, routes: &[(&str, &[(&str, Entry)])]) -> RouteTable {
    let routes = routes.iter().map(|(template, methods)| oracle::route(None, template, methods)).collect();
    RouteTable::build(oracle::parts(readings, routes)).unwrap()
}

fn find(table: &RouteTable, method: &Method, path: &str) -> Result<u32, Denial> {
    table.find(&RequestTarget::of("api.test", path), method).map(|found| found.route.0)
}

#[test]
fn the_host_is_chosen_before_the_path() {
    let hosts = [Some("api.example.com"), Some("*.example.com"), Some("*.a.example.com"), None, Some("[::1]")];
    let mut routes: Vec<_> = hosts.iter().map(|host| oracle::route(*host, "/a", &[GET])).collect();
    routes.push(oracle::route(None, "/b", &[GET]));
    let table = RouteTable::build(oracle::parts(Readings::default(), routes)).unwrap();
    for (host, path, expected) in [
        ("api.example.com", "/a", Some(0)),
        ("other.example.com", "/a", Some(1)),
        ("x.y.example.com", "/a", Some(1)),
        ("x.a.example.com", "/a", Some(2)),
        ("a.example.com", "/a", Some(1)),
        ("example.com", "/a", Some(3)),
        ("badexample.com", "/a", Some(3)),
        ("[::1]", "/a", Some(4)),
        ("elsewhere.test", "/b", Some(5)),
        ("api.example.com", "/b", None),
        ("x.example.com", "/b", None),
    ] {
        let found = table.find(&RequestTarget::of(host, path), &Method::GET);
        assert_eq!(found.map(|found| found.route.0), expected.ok_or(Denial::NoRoute), "{host} {path}");
    }
}

#[test]
fn rfc9110_9_3_2_rfc9110_10_2_1_a_method_is_the_winners_or_refused() {
    let table = table(
        Readings::default(),
        &[
            ("/a/b", &[("POST", scoped(1)), ("GET", scoped(2))]),
            ("/a/{id}", &[("DELETE", scoped(3)), ("HEAD", scoped(4)), GET]),
        ],
    );
    let entry = |method: Method, path: &str| {
        let found = table.find(&RequestTarget::of("h", path), &method);
        found.map(|found| table.entry(found).clone()).map_err(|denial| {
            let Denial::MethodNotAllowed { allow } = denial else { panic!("{denial:?}") };
            allow.to_str().unwrap().to_owned()
        })
    };
    assert_eq!(entry(Method::GET, "/a/b"), Ok(scoped(2)));
    assert_eq!(entry(Method::HEAD, "/a/b"), Ok(scoped(2)), "HEAD uses GET's entry");
    assert_eq!(entry(Method::HEAD, "/a/x"), Ok(scoped(4)), "unless it has its own");
    assert_eq!(entry(Method::DELETE, "/a/b"), Err("POST, GET, HEAD".to_owned()), "a broader route is never consulted");
    assert_eq!(entry(Method::PUT, "/a/x"), Err("DELETE, HEAD, GET".to_owned()));
}

#[test]
fn methods_are_known_from_the_rfcs_and_the_table() {
    let table = table(Readings::default(), &[("/a", &[("QUERY", Entry::Public), ("TRACE", Entry::Public)])]);
    for (method, expected) in [
        ("GET", true),
        ("HEAD", true),
        ("POST", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("PATCH", true),
        ("QUERY", true),
        ("FOO", false),
        ("TRACE", false),
        ("CONNECT", false),
    ] {
        assert_eq!(table.knows_method(&Method::from_bytes(method.as_bytes()).unwrap()), expected, "{method}");
    }
}

#[test]
fn a_method_in_the_query_is_refused() {
    let table = table(Readings::default(), &[("/a", &[GET])]);
    let find = |uri: &'static str, method| {
        let (uri, host) = (http::Uri::from_static(uri), http::HeaderValue::from_static("h"));
        table.find(&RequestTarget::read(&uri, &host).unwrap(), &method).map(|found| found.route.0)
    };
    assert_eq!(find("/a?_method=DELETE", Method::GET), Err(Denial::AmbiguousMethod));
    assert_eq!(find("/a?_method=DELETE", Method::PUT), Err(Denial::AmbiguousMethod), "before the method is looked at");
    assert_eq!(find("/b?_method=DELETE", Method::GET), Err(Denial::NoRoute));
    assert_eq!(find("/a?method=DELETE", Method::GET), Ok(0));
}

/// A table as an operator writes it.
fn operators_table() -> RouteTable {
    table(
        Readings::default(),
        &[
            ("/items", &[("GET", scoped(1))]),
            ("/items/{rest=**}", &[("GET", scoped(1)), ("DELETE", scoped(2))]),
            ("/public/{rest=**}", &[("GET", scoped(1))]),
            ("/admin/{rest=**}", &[("GET", scoped(9))]),
            ("/spaces/{id}", &[("GET", scoped(1))]),
            ("/spaces/mine", &[("GET", scoped(1))]),
            ("/spaces/{id}/share", &[("GET", scoped(5))]),
            ("/spaces/all", &[("GET", scoped(9))]),
            ("/b/listAll", &[("GET", scoped(1))]),
            ("/b/{id}", &[("GET", scoped(2))]),
            ("/b/{id}/", &[("GET", scoped(3))]),
            ("/b/listAll/", &[("GET", scoped(4))]),
        ],
    )
}

/// Paths of that table, and the route that a `GET` of each finds.
const READINGS: &[(&str, Result<u32, Denial>)] = &[
    ("/items/1", Ok(1)),
    ("/items/", Ok(1)),
    ("/items/a%2Fb", Ok(1)),
    ("/items/a%3Fb", Ok(1)),
    ("/items/%2561", Ok(1)),
    ("/items/1;x=2", Ok(1)),
    ("/items;/1", Err(Denial::NoRoute)),
    ("/public/x", Ok(2)),
    ("/public/a%2Fadmin", Ok(2)),
    ("/public/%2Fadmin", Err(Denial::AmbiguousPath)),
    ("/spaces/7", Ok(4)),
    ("/spaces/mine", Ok(5)),
    ("/spaces/MINE", Ok(4)),
    ("/spaces/all", Ok(7)),
    ("/spaces/ALL", Err(Denial::AmbiguousPath)),
    ("/spaces/%E2%84%AA", Ok(4)),
    ("/spaces/7%2Fshare", Err(Denial::AmbiguousPath)),
    ("/spaces/7%252Fshare", Err(Denial::AmbiguousPath)),
    ("/spaces/7\\share", Err(Denial::AmbiguousPath)),
    ("/spaces/all;v=1", Err(Denial::AmbiguousPath)),
    ("/spaces/all%3Bv", Err(Denial::AmbiguousPath)),
    ("/spaces/all%3Fv", Err(Denial::AmbiguousPath)),
    ("/spaces/all%23v", Err(Denial::AmbiguousPath)),
    ("/spaces/7;v=1", Ok(4)),
    ("/spaces/7%20x", Ok(4)),
    ("/spaces/7%2Fx", Err(Denial::AmbiguousPath)),
    ("/spaces/7/share/", Err(Denial::NoRoute)),
    ("/SPACES/7", Err(Denial::NoRoute)),
    ("/b/listAll", Ok(8)),
    ("/b/listall", Err(Denial::AmbiguousPath)),
    ("/b/7", Ok(9)),
    ("/b/7/", Ok(10)),
    ("/b/listAll/", Ok(11)),
];

#[test]
fn readings_must_agree_with_the_path_as_sent() {
    let table = operators_table();
    for (path, expected) in READINGS {
        assert_eq!(find(&table, &Method::GET, path), *expected, "{path}");
    }
    assert_eq!(
        find(&table, &Method::HEAD, "/spaces/ALL"),
        Err(Denial::AmbiguousPath),
        "HEAD is judged by GET's entries"
    );
    let lacking = find(&table, &Method::PUT, "/spaces/ALL");
    assert!(matches!(lacking, Err(Denial::MethodNotAllowed { .. })), "none in both: {lacking:?}");
    assert_eq!(
        find(&table, &Method::DELETE, "/items/"),
        Err(Denial::AmbiguousPath),
        "only one of the two has the method"
    );
}

#[test]
fn a_reading_counts_only_where_the_upstream_may_read_so() {
    let routes: &[(&str, &[(&str, Entry)])] = &[
        ("/a/{id}", &[("GET", scoped(1))]),
        ("/a/all", &[("GET", scoped(9))]),
        ("/a/{id}/b", &[("GET", scoped(2))]),
        ("/a/b/", &[GET]),
    ];
    let on = Readings::default();
    for (path, off) in [
        ("/a/ALL", Readings { letter_case: false, ..on }),
        ("/a/all;x", Readings { path_parameters: false, ..on }),
        ("/a/7%2Fb", Readings { encoded_slash: false, ..on }),
        ("/a/all%3Fx", Readings { query_in_path: false, ..on }),
        ("/a/all%3Bx", Readings { decoding: false, ..on }),
        ("/a/b", Readings { trailing_slash: false, ..on }),
    ] {
        assert_eq!(find(&table(on, routes), &Method::GET, path), Err(Denial::AmbiguousPath), "{path}");
        assert_eq!(find(&table(off, routes), &Method::GET, path), Ok(0), "{path} with it off");
    }
    for (path, off) in
        [("/a/all.json", Readings { suffix: true, ..on }), ("/a/all..", Readings { trailing_dot: true, ..on })]
    {
        assert_eq!(find(&table(on, routes), &Method::GET, path), Ok(0), "{path}");
        assert_eq!(find(&table(off, routes), &Method::GET, path), Err(Denial::AmbiguousPath), "{path} with it on");
    }
}

#[test]
fn routes_that_agree_are_no_danger() {
    let agreeing = |second: Entry, upstream: usize| {
        let mut routes = vec![
            oracle::route(None, "/a/{id}", &[("GET", scoped(1))]),
            oracle::route(None, "/a/all", &[("GET", second)]),
        ];
        routes[1].upstream = upstream;
        let mut parts = oracle::parts(Readings::default(), routes);
        parts.upstreams.push(oracle::upstream("other", Readings::default()));
        find(&RouteTable::build(parts).unwrap(), &Method::GET, "/a/ALL")
    };
    assert_eq!(agreeing(scoped(1), 0), Ok(0));
    assert_eq!(agreeing(scoped(2), 0), Err(Denial::AmbiguousPath), "another entry");
    assert_eq!(agreeing(scoped(1), 1), Err(Denial::AmbiguousPath), "another upstream");
}

#[test]
fn too_many_readings_are_refused() {
    let table = table(Readings::default(), &[("/a/{rest=**}", &[GET])]);
    let nested = |levels: usize| format!("/a/b%{}20c", "25".repeat(levels));
    assert_eq!(find(&table, &Method::GET, &nested(62)), Ok(0));
    assert_eq!(find(&table, &Method::GET, &nested(63)), Err(Denial::AmbiguousPath));
}

#[test]
fn readings_of_a_long_path_are_bounded_and_those_of_an_ordinary_one_are_not() {
    let table = table(Readings::default(), &[("/files/{rest=**}", &[GET])]);
    let path = |segments: usize, last: &str| format!("/files/{}b{last}", "a/".repeat(segments));
    let nested = format!("%{}2f%3b%3f", "25".repeat(11));
    for (name, path, expected) in [
        ("ordinary, nested", path(100, &nested), Ok(0)),
        ("1 KiB, a handful of escapes", path(500, "%20c%3Ad%2Fe%3Bf%2520"), Ok(0)),
        ("long, plain", path(3_900, ""), Ok(0)),
        ("long, a few escapes", path(3_900, "%20c%3Ad%2Fe"), Ok(0)),
        ("long, nested", path(3_900, &nested), Err(Denial::AmbiguousPath)),
    ] {
        assert_eq!(find(&table, &Method::GET, &path), expected, "{name}");
        let target = RequestTarget::of("h", &path);
        let traces = table.readings(&target, Found { route: RouteIndex(0), method: 0 });
        assert_eq!(traces.iter().all(|trace| trace.agrees), expected.is_ok(), "{name} explained");
    }
}

#[test]
fn candidates_and_readings_explain_what_was_found() {
    let table = table(
        Readings::default(),
        &[
            ("/a/{id}", &[("GET", scoped(1))]),
            ("/a/all", &[("GET", scoped(9))]),
            ("/{rest=**}", &[GET]),
            ("/a/{id}x", &[GET]),
        ],
    );
    let target = RequestTarget::of("h", "/a/ALL%3Bx");
    assert_eq!(table.candidates(&target), [RouteIndex(3), RouteIndex(0), RouteIndex(2)]);
    assert_eq!(table.candidates(&RequestTarget::of("h", "/b")), [RouteIndex(2)]);
    let traces = table.readings(&target, Found { route: RouteIndex(3), method: 0 });
    let lines: Vec<_> = traces.iter().map(|t| (&*t.text, &*t.how, t.leads_to.map(|r| r.0), t.agrees)).collect();
    assert_eq!(
        lines,
        [
            ("/a/ALL%3Bx", "as sent", Some(3), true),
            ("/a/ALL;x", "decoding", Some(3), true),
            ("/a/ALL", "decoding, path_parameters", Some(0), false),
            ("/a/ALL", "decoding, path_parameters, letter_case", Some(1), false),
        ]
    );
}

/// The outcome by the rules as they are written: every text and every folding looked up among all templates.
fn expected(templates: &[Template], entries: &[u32], readings: Readings, path: &str) -> Result<u32, Denial> {
    let winner = oracle::winner(templates, path).ok_or(Denial::NoRoute)?;
    let Ok(texts) = readings.compose(path) else { return Err(Denial::AmbiguousPath) };
    let agrees = |n: usize| n == winner || entries[n] == entries[winner];
    let fold = |text: &str| if readings.letter_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let folded: Vec<Template> = templates.iter().map(|t| Template::parse(&fold(t.as_str())).unwrap()).collect();
    let twin_key = |n: usize| {
        let text = templates[n].shape().to_ascii_lowercase();
        text.strip_suffix('/').filter(|text| !text.is_empty()).map_or(text.clone(), str::to_owned)
    };
    for text in texts.iter().map(|reading| reading.text.as_str()) {
        let Some(exact) = oracle::winner(templates, text).filter(|&n| agrees(n)) else {
            return Err(Denial::AmbiguousPath);
        };
        let mut lookups = vec![(fold(text), false)];
        if readings.trailing_slash {
            lookups.extend(
                text.strip_suffix('/').filter(|shorter| !shorter.is_empty()).map(|shorter| (fold(shorter), false)),
            );
            lookups.extend((!text.ends_with('/')).then(|| (fold(&format!("{text}/")), true)));
        }
        for (text, closed) in lookups {
            let fits = |n: &usize| oracle::matches(folded[*n].as_str(), &text) && (!closed || folded[*n].is_closed());
            let matching: Vec<usize> = (0..folded.len()).filter(fits).collect();
            let best = matching.iter().copied().min_by(|&a, &b| folded[a].precedence(&folded[b]));
            for led in
                matching.into_iter().filter(|&n| best.is_some_and(|best| folded[n].precedence(&folded[best]).is_eq()))
            {
                if twin_key(led) != twin_key(exact) && !agrees(led) {
                    return Err(Denial::AmbiguousPath);
                }
            }
        }
    }
    Ok(u32::try_from(winner).unwrap())
}

fn odd_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        12 => "[ab]",
        2 => "[AB.]",
        4 => Just("/".to_owned()),
        1 => "%2[Ff05]|%25(2F|3B)|%3[BbFf]|;|\\\\|%5c|%61",
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn some_readings() -> impl Strategy<Value = Readings> {
    let often = || prop::bool::weighted(0.8);
    let seldom = || prop::bool::weighted(0.2);
    (often(), often(), often(), often(), often(), often(), often(), seldom(), seldom()).prop_map(
        |(
            decoding,
            encoded_slash,
            path_parameters,
            merged_slashes,
            query_in_path,
            trailing_slash,
            letter_case,
            suffix,
            trailing_dot,
        )| Readings {
            decoding,
            encoded_slash,
            path_parameters,
            merged_slashes,
            query_in_path,
            trailing_slash,
            letter_case,
            suffix,
            trailing_dot,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn finding_is_what_the_rules_say(
        templates in prop_oneof![
            prop::collection::vec(oracle::template(), 1..12),
            prop::collection::vec(oracle::simple_template(), 1..12),
        ],
        entries in prop::collection::vec(0..3u32, 12),
        readings in some_readings(),
        paths in prop::collection::vec(prop_oneof![odd_path(), oracle::path()], 32),
    ) {
        let templates = oracle::compatible(templates);
        let route = |(template, entry): (&Template, &u32)| oracle::route(None, template.as_str(), &[("GET", scoped(*entry))]);
        let routes = templates.iter().zip(&entries).map(route).collect();
        let table = RouteTable::build(oracle::parts(readings, routes)).unwrap();
        let examples = templates.iter().map(Template::example);
        for path in paths.into_iter().chain(examples).filter(|path| !crate::policy::target::has_dot_segment(path)) {
            prop_assert_eq!(find(&table, &Method::GET, &path), expected(&templates, &entries, readings, &path), "{}", path);
        }
    }
}
