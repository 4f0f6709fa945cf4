use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::Method;

use super::log::Log;
use super::settings::LogSettings;
use super::{AccessRecord, Metrics, Peer, RouteMetrics, Source, finish};
use crate::clock::Clock;
use crate::policy::{
    Access, Entry, Found, Readings, Reason, Requirement, Route, RouteIndex, RouteTable, Sides, TableParts, Template,
    UpstreamRules,
};
use crate::scope::{Catalog, Scope, ScopeEntry, Uses};

const NOW: Duration = Duration::from_secs(1_790_000_000);

/// A table of `(id, upstream, scope that GET asks for)`; a route's path is its id behind a slash.
fn table(routes: &[(&str, &str, &str)]) -> RouteTable {
    let mut parts =
        TableParts { catalog: Catalog::build(vec![scope("a"), scope("b")]).unwrap(), ..TableParts::default() };
    for (id, upstream, asked) in routes {
        let known = parts.upstreams.iter().position(|rules| &*rules.name == *upstream);
        let user = Some(Requirement::Scope(parts.catalog.id(asked).unwrap()));
        parts.routes.push(Route {
            id: (*id).into(),
            host: None,
            template: Template::parse(&format!("/{id}")).unwrap(),
            upstream: known.unwrap_or(parts.upstreams.len()),
            methods: vec![(Method::GET, Entry::Scoped(Sides { user, admin: None })), (Method::PUT, Entry::Public)],
            strip_prefix: None,
            add_prefix: None,
            timeout: None,
        });
        if known.is_none() {
            let (readings, base_path) = (Readings::default(), "/".to_owned());
            parts.upstreams.push(UpstreamRules { name: (*upstream).into(), readings, refuse_query: vec![], base_path });
        }
    }
    RouteTable::build(parts).unwrap()
}

fn scope(name: &str) -> ScopeEntry {
    ScopeEntry {
        name: Scope::parse(name).unwrap(),
        describe: String::new(),
        implies: vec![],
        twin: None,
        side: None,
        uses: Uses { token: true, role: true },
    }
}

fn record(route: Option<u32>) -> AccessRecord<'static> {
    AccessRecord {
        request_id: "r1",
        peer: Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        method: &Method::GET,
        host: None,
        path: None,
        route: route.map(RouteIndex),
        status: 200,
        source: Source::Upstream,
        reason: None,
        access: Some(Access::User),
        required: None,
        missing: None,
        scope: None,
        roles: &[],
        issuer: None,
        subject: None,
        client_id: None,
        token_id: None,
        table: "f1",
        duration: Duration::from_micros(700),
        upstream: None,
        upstream_duration: None,
        bytes_in: 0,
        bytes_out: 0,
        cut_off_by: None,
        trace_id: None,
    }
}

fn refused(route: Option<u32>, status: u16, reason: Reason) -> AccessRecord<'static> {
    AccessRecord { status, source: Source::Gateway, reason: Some(reason), access: None, ..record(route) }
}

/// Metrics with a log that keeps nothing.
struct Fixture {
    metrics: std::sync::Arc<Metrics>,
    log: Log,
}

impl Fixture {
    fn new() -> Self {
        let metrics = std::sync::Arc::new(Metrics::new());
        let log = Log::to(std::io::sink(), LogSettings::default(), metrics.clone(), Clock::fixed(NOW));
        Self { metrics, log }
    }

    fn finish(&self, routes: &RouteMetrics, times: u64, record: &AccessRecord<'_>) {
        (0..times).for_each(|_| finish(routes, &self.log, record));
    }

    /// The samples of one family, less its name.
    fn samples(&self, family: &str) -> Vec<String> {
        let text = self.metrics.render(NOW);
        let samples = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
        samples.map(str::to_owned).collect()
    }
}

/// What a gateway meets: ten requests of every kind of outcome.
fn finish_one_of_each(fixture: &Fixture, routes: &RouteMetrics) {
    let scoped = |reason| AccessRecord { required: Some("a"), ..refused(Some(0), 403, reason) };
    let purge = Method::from_bytes(b"PURGE").unwrap();
    fixture.finish(routes, 3, &record(Some(0)));
    fixture.finish(routes, 1, &AccessRecord { status: 403, access: Some(Access::Admin), ..record(Some(0)) });
    let timed_out = refused(Some(0), 504, Reason::UpstreamTimeout);
    fixture.finish(routes, 1, &AccessRecord { access: Some(Access::User), ..timed_out });
    fixture.finish(routes, 2, &scoped(Reason::InsufficientScope));
    fixture.finish(routes, 1, &scoped(Reason::RoleCeiling));
    fixture.finish(routes, 1, &scoped(Reason::ClientCeiling));
    fixture.finish(routes, 1, &AccessRecord { required: Some("a"), ..refused(Some(0), 401, Reason::NoToken) });
    fixture.finish(routes, 1, &AccessRecord { method: &Method::TRACE, ..refused(None, 501, Reason::MethodUnknown) });
    fixture.finish(routes, 1, &AccessRecord { method: &purge, ..refused(None, 404, Reason::NoRoute) });
    fixture.finish(routes, 1, &refused(None, 503, Reason::Overloaded));
}

#[test]
fn every_request_is_counted_and_only_grants_are_allowed_and_only_refusals_denied() {
    let fixture = Fixture::new();
    finish_one_of_each(&fixture, &fixture.metrics.table(&table(&[("x", "u", "a")]), NOW));
    let requests = [
        r#"route="_unmatched",method="GET",code="503",source="gateway"} 1"#,
        r#"route="_unmatched",method="OTHER",code="404",source="gateway"} 1"#,
        r#"route="_unmatched",method="TRACE",code="501",source="gateway"} 1"#,
        r#"route="x",method="GET",code="200",source="upstream"} 3"#,
        r#"route="x",method="GET",code="401",source="gateway"} 1"#,
        r#"route="x",method="GET",code="403",source="gateway"} 4"#,
        r#"route="x",method="GET",code="403",source="upstream"} 1"#,
        r#"route="x",method="GET",code="504",source="gateway"} 1"#,
    ];
    assert_eq!(fixture.samples("scopegate_requests_total"), requests);
    let allowed = [r#"route="x",method="GET",access="admin"} 1"#, r#"route="x",method="GET",access="user"} 4"#];
    assert_eq!(fixture.samples("scopegate_allowed_total"), allowed);
    let denials = [
        r#"route="_unmatched",method="OTHER",reason="no_route",required=""} 1"#,
        r#"route="_unmatched",method="TRACE",reason="method_unknown",required=""} 1"#,
        r#"route="x",method="GET",reason="client_ceiling",required="a"} 1"#,
        r#"route="x",method="GET",reason="insufficient_scope",required="a"} 2"#,
        r#"route="x",method="GET",reason="no_token",required=""} 1"#,
        r#"route="x",method="GET",reason="role_ceiling",required="a"} 1"#,
    ];
    assert_eq!(fixture.samples("scopegate_denials_total"), denials);
}

#[test]
fn durations_are_observed_by_the_routes_upstream() {
    let fixture = Fixture::new();
    finish_one_of_each(&fixture, &fixture.metrics.table(&table(&[("x", "u", "a")]), NOW));
    let mut counts = fixture.samples("scopegate_request_duration_seconds_count");
    counts.sort();
    let expected = [
        r#"source="gateway",upstream=""} 3"#,
        r#"source="gateway",upstream="u"} 6"#,
        r#"source="upstream",upstream=""} 0"#,
        r#"source="upstream",upstream="u"} 4"#,
    ];
    assert_eq!(counts, expected);
    let buckets = fixture.samples("scopegate_request_duration_seconds_bucket");
    for bucket in
        [r#"source="upstream",upstream="u",le="0.0005"} 0"#, r#"source="upstream",upstream="u",le="0.001"} 4"#]
    {
        assert!(buckets.iter().any(|found| found == bucket), "{bucket} in {buckets:?}");
    }
}

#[test]
fn every_reason_is_counted_under_its_own_name() {
    let fixture = Fixture::new();
    let routes = fixture.metrics.table(&table(&[("x", "u", "a")]), NOW);
    for &reason in Reason::ALL {
        fixture.finish(&routes, 1, &refused(Some(0), 400, reason));
    }
    let mut expected: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| format!(r#"route="x",method="GET",reason="{}",required=""}} 1"#, reason.as_str()))
        .collect();
    expected.sort();
    assert_eq!(fixture.samples("scopegate_denials_total"), expected);
}

#[test]
fn counts_outlive_a_reload_and_end_with_their_route() {
    let fixture = Fixture::new();
    let first_table = table(&[("kept", "u", "a"), ("gone", "v", "a")]);
    let first = fixture.metrics.table(&first_table, NOW);
    fixture.finish(&first, 2, &record(Some(0)));
    fixture.finish(&first, 1, &record(Some(1)));
    fixture.finish(&first, 1, &refused(None, 404, Reason::NoRoute));
    fixture.metrics.upstream("v").connections(1);

    let second_table = table(&[("new", "u", "a"), ("kept", "u", "a")]);
    let second = fixture.metrics.table(&second_table, NOW + Duration::from_secs(5));
    fixture.finish(&second, 1, &record(Some(1)));
    // Requests that the first table is still answering.
    fixture.finish(&first, 1, &record(Some(0)));
    fixture.finish(&first, 1, &record(Some(1)));
    fixture.finish(&first, 1, &AccessRecord { method: &Method::PUT, ..record(Some(0)) });

    let requests = [
        r#"route="_unmatched",method="GET",code="404",source="gateway"} 1"#,
        r#"route="kept",method="GET",code="200",source="upstream"} 4"#,
        r#"route="kept",method="PUT",code="200",source="upstream"} 1"#,
    ];
    assert_eq!(fixture.samples("scopegate_requests_total"), requests);
    let text = fixture.metrics.render(NOW);
    assert!(!text.contains("upstream=\"v\""), "{text}");
    assert!(
        text.contains("scopegate_request_duration_seconds_count{source=\"upstream\",upstream=\"u\"} 5\n"),
        "{text}"
    );
    assert!(
        text.contains(&format!("scopegate_table_info{{fingerprint=\"{}\"}} 1\n", second_table.fingerprint())),
        "{text}"
    );
    assert!(!text.contains(first_table.fingerprint()), "{text}");
    assert!(text.contains("scopegate_table_routes 2\n"), "{text}");
    assert!(text.contains("scopegate_table_loaded_timestamp_seconds 1790000005\n"), "{text}");
}

#[test]
fn denials_under_a_requirement_that_a_reload_changed_are_no_longer_shown() {
    let fixture = Fixture::new();
    let [asks_a, asks_b] = ["a", "b"].map(|scope| table(&[("x", "u", scope)]));
    let get = Found { route: RouteIndex(0), method: 0 };
    let [a, b] = [asks_a.required(get), asks_b.required(get)];
    let denied = refused(Some(0), 403, Reason::InsufficientScope);
    let denied = |required| AccessRecord { required: Some(required), ..denied.clone() };

    let first = fixture.metrics.table(&asks_a, NOW);
    fixture.finish(&first, 3, &denied(a));
    let second = fixture.metrics.table(&asks_b, NOW);
    fixture.finish(&second, 1, &denied(b));
    fixture.finish(&first, 1, &denied(a));
    let shown =
        |text, count| format!(r#"route="x",method="GET",reason="insufficient_scope",required="{text}"}} {count}"#);
    assert_eq!(fixture.samples("scopegate_denials_total"), [shown(b, 1)]);
    let requests = [r#"route="x",method="GET",code="403",source="gateway"} 5"#];
    assert_eq!(fixture.samples("scopegate_requests_total"), requests);
    fixture.metrics.table(&asks_a, NOW);
    assert_eq!(fixture.samples("scopegate_denials_total"), [shown(a, 4)], "a counter never goes back");
}

#[test]
fn a_route_named_as_what_has_none_makes_no_sample_twice() {
    let fixture = Fixture::new();
    let routes = fixture.metrics.table(&table(&[("_unmatched", "u", "a")]), NOW);
    fixture.finish(&routes, 1, &record(Some(0)));
    fixture.finish(&routes, 1, &record(None));
    assert_eq!(
        fixture.samples("scopegate_requests_total"),
        [r#"route="_unmatched",method="GET",code="200",source="upstream"} 2"#]
    );
}

#[test]
fn labels_cannot_break_the_text() {
    let fixture = Fixture::new();
    let mut parts = TableParts { catalog: Catalog::build(vec![scope("a")]).unwrap(), ..TableParts::default() };
    parts.routes = table(&[("x", "u", "a")]).routes().to_vec();
    parts.routes[0].id = "a\"} 9\nb\\".into();
    parts.upstreams = table(&[("x", "u", "a")]).upstreams().to_vec();
    let routes = fixture.metrics.table(&RouteTable::build(parts).unwrap(), NOW);
    fixture.finish(&routes, 1, &record(Some(0)));
    assert_eq!(
        fixture.samples("scopegate_requests_total"),
        [r#"route="a\"} 9\nb\\",method="GET",code="200",source="upstream"} 1"#]
    );
}
