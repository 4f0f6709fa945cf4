use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

use super::sums::{DIFFERENT, LINES_A_SECOND};
use super::{AccessRecord, Log, LogAccess, LogFormat, LogSettings, LogSubject, Metrics, Peer, Source};
use crate::clock::Clock;
use crate::policy::{Access, Reason};

const NOW: Duration = Duration::from_millis(1_795_430_580_070);
const PEER: Peer = Peer::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log that writes into memory under a clock that stands still.
struct Fixture {
    log: Log,
    kept: Kept,
    clock: Clock,
}

impl Fixture {
    fn new(settings: LogSettings) -> Self {
        let (kept, clock) = (Kept::default(), Clock::fixed(NOW));
        let log = Log::to(kept.clone(), settings, Arc::new(Metrics::new()), clock.clone());
        Self { log, kept, clock }
    }

    fn text(&self) -> String {
        self.log.flush();
        String::from_utf8(self.kept.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn all() -> LogSettings {
    LogSettings { access: LogAccess::All, ..LogSettings::default() }
}

fn forwarded() -> AccessRecord<'static> {
    AccessRecord {
        request_id: "r1",
        peer: PEER,
        method: &Method::GET,
        host: Some("api.example.com"),
        path: Some("/api/v1/automations"),
        route: None,
        status: 200,
        source: Source::Upstream,
        reason: None,
        access: Some(Access::Admin),
        required: None,
        missing: None,
        scope: None,
        roles: &[],
        issuer: None,
        subject: None,
        client_id: None,
        token_id: None,
        table: "f1",
        duration: Duration::from_micros(1_234),
        upstream: Some("automations"),
        upstream_duration: Some(Duration::from_nanos(999_999)),
        bytes_in: 0,
        bytes_out: 17,
        cut_off_by: None,
        trace_id: None,
    }
}

fn refused(reason: Reason, peer: Peer) -> AccessRecord<'static> {
    AccessRecord {
        peer,
        status: 403,
        source: Source::Gateway,
        reason: Some(reason),
        access: None,
        upstream: None,
        upstream_duration: None,
        ..forwarded()
    }
}

#[test]
fn a_record_has_the_stable_names_and_leaves_out_what_is_absent() {
    let fixture = Fixture::new(all());
    let roles = [Box::from("TenantAdmin"), Box::from("a \"role\"\n")];
    let denied = AccessRecord {
        required: Some("automations"),
        missing: Some("automations"),
        scope: Some("apps apps:read"),
        roles: &roles,
        issuer: Some("https://idp.example.com/"),
        subject: Some("alice\u{0}"),
        client_id: Some("console"),
        token_id: Some("0123456789abcdef"),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
        ..refused(Reason::InsufficientScope, PEER)
    };
    fixture.log.access(&forwarded(), Some("automations-list"));
    fixture.log.access(&denied, Some("automations-list"));
    let expected = [
        json!({
            "ts": "2026-11-23T10:43:00.070Z", "level": "info", "msg": "request forwarded", "request_id": "r1",
            "peer": "192.0.2.7", "method": "GET", "host": "api.example.com", "path": "/api/v1/automations",
            "route": "automations-list", "status": 200, "source": "upstream", "access": "admin", "table": "f1",
            "duration_ms": 1.234, "upstream": "automations", "upstream_ms": 0.999, "bytes_in": 0, "bytes_out": 17,
        }),
        json!({
            "ts": "2026-11-23T10:43:00.070Z", "level": "info", "msg": "request refused", "request_id": "r1",
            "peer": "192.0.2.7", "method": "GET", "host": "api.example.com", "path": "/api/v1/automations",
            "route": "automations-list", "status": 403, "source": "gateway", "reason": "insufficient_scope",
            "required": "automations", "missing": "automations", "scope": "apps apps:read",
            "roles": ["TenantAdmin", "a \"role\"\n"], "issuer": "https://idp.example.com/", "subject": "alice\u{0}",
            "client_id": "console", "token_id": "0123456789abcdef", "table": "f1", "duration_ms": 1.234,
            "bytes_in": 0, "bytes_out": 17, "trace_id": "0af7651916cd43dd8448eb211c80319c",
        }),
    ];
    assert_eq!(fixture.lines(), expected);
    assert!(fixture.text().contains("\"duration_ms\":1.234,"), "a number of three decimals");
}

#[test]
fn text_is_for_people() {
    let fixture = Fixture::new(LogSettings { format: LogFormat::Text, ..all() });
    fixture.log.access(&AccessRecord { subject: Some("a b"), ..forwarded() }, None);
    assert_eq!(
        fixture.text(),
        "2026-11-23T10:43:00.070Z info  request forwarded request_id=r1 peer=192.0.2.7 method=GET host=api.example.com \
         path=/api/v1/automations status=200 source=upstream access=admin subject=\"a b\" table=f1 duration_ms=1.234 \
         upstream=automations upstream_ms=0.999 bytes_in=0 bytes_out=17\n"
    );
}

#[test]
fn allowed_requests_are_written_only_where_all_are_asked_for() {
    let fixture = Fixture::new(LogSettings::default());
    assert!(!fixture.log.wants_allowed());
    fixture.log.access(&forwarded(), None);
    fixture.log.access(&AccessRecord { status: 403, ..forwarded() }, None);
    assert_eq!(fixture.text(), "", "an upstream's own 403 is no refusal of the gateway");
    fixture.log.access(&refused(Reason::NoRoute, PEER), None);
    fixture.log.flush();
    fixture.log.reconfigure(all());
    assert!(fixture.log.wants_allowed());
    fixture.log.access(&forwarded(), None);
    let messages: Vec<_> = fixture.lines().iter().map(|line| line["msg"].clone()).collect();
    assert_eq!(messages, ["request refused", "request forwarded"]);
}

#[test]
fn a_hashed_subject_can_be_told_apart_and_not_read() {
    let fixture = Fixture::new(LogSettings { subject: LogSubject::Hashed, ..all() });
    for subject in ["alice", "bob", "alice"] {
        fixture.log.access(&AccessRecord { subject: Some(subject), ..forwarded() }, None);
    }
    fixture.log.access(&forwarded(), None);
    let lines = fixture.lines();
    let [alice, bob, again, nobody] = [0, 1, 2, 3].map(|index| lines[index].get("subject").and_then(Value::as_str));
    assert!(alice.is_some_and(|alice| alice.len() == 16 && alice != "alice"), "{alice:?}");
    assert!(alice == again && alice != bob && nobody.is_none());
}

#[test]
fn equal_refusals_beyond_a_hundred_a_second_are_one_line_with_their_count() {
    let fixture = Fixture::new(LogSettings::default());
    let other_peer = Peer::Unix;
    for _ in 0..LINES_A_SECOND + 50 {
        fixture.log.access(&refused(Reason::InsufficientScope, PEER), Some("automations-list"));
    }
    fixture.log.access(&refused(Reason::InsufficientScope, PEER), Some("apps"));
    fixture.log.access(&refused(Reason::NoToken, PEER), Some("automations-list"));
    fixture.log.access(&refused(Reason::InsufficientScope, other_peer), Some("automations-list"));
    fixture.clock.set(NOW + Duration::from_secs(1));
    fixture.log.access(&refused(Reason::InsufficientScope, PEER), Some("automations-list"));

    let lines = fixture.lines();
    let sums: Vec<_> = lines.iter().filter(|line| line.get("count").is_some()).collect();
    let expected = json!({
        "ts": "2026-11-23T10:43:01.070Z", "level": "info", "msg": "equal requests refused", "peer": "192.0.2.7",
        "route": "automations-list", "status": 403, "source": "gateway", "reason": "insufficient_scope",
        "table": "f1", "count": 50,
    });
    assert_eq!(sums, [&expected]);
    assert_eq!(
        lines.len() as u64,
        LINES_A_SECOND + 3 + 1 + 1,
        "the others, and the first of the next second, by themselves"
    );
    assert_eq!(lines.last().unwrap()["msg"], "request refused");
}

#[test]
fn what_is_being_summed_is_not_lost_when_the_process_ends() {
    let fixture = Fixture::new(LogSettings::default());
    for _ in 0..LINES_A_SECOND + 7 {
        fixture.log.access(&refused(Reason::NoToken, PEER), None);
    }
    let counted = |lines: &[Value]| lines.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum::<u64>();
    assert_eq!(counted(&fixture.lines()), LINES_A_SECOND + 7, "flushed");
    fixture.log.access(&refused(Reason::NoToken, PEER), None);
    let Fixture { log, kept, .. } = fixture;
    drop(log);
    wait_until(|| {
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        counted(&lines) == LINES_A_SECOND + 8
    });
}

#[test]
fn a_second_that_nothing_follows_is_ended_by_the_clock() {
    let (kept, metrics) = (Kept::default(), Arc::new(Metrics::new()));
    let log = Log::to(kept.clone(), LogSettings::default(), metrics, Clock::system());
    for _ in 0..LINES_A_SECOND + 1 {
        log.access(&refused(Reason::NoToken, PEER), None);
    }
    wait_until(|| String::from_utf8_lossy(&kept.0.lock().unwrap()).contains("\"count\":1}"));
}

#[test]
fn more_different_refusals_than_can_be_told_apart_are_summed_by_reason() {
    let fixture = Fixture::new(LogSettings::default());
    let different = u32::try_from(DIFFERENT).unwrap();
    for number in 0..different + 200 {
        fixture
            .log
            .access(&refused(Reason::NoRoute, Peer::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))), Some("r"));
    }
    let lines = fixture.lines();
    let sum = lines.last().unwrap();
    assert_eq!((&sum["count"], &sum["reason"]), (&json!(100), &json!("no_route")));
    assert!(sum.get("peer").is_none() && sum.get("route").is_none(), "{sum}");
    assert_eq!(lines.len(), DIFFERENT + 100 + 1);
}

/// Writes nothing until it is let to, and tells of each batch.
struct Gate {
    opened: Arc<(Mutex<bool>, Condvar)>,
    reached: Sender<()>,
    kept: Kept,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.reached.send(());
        let (opened, changed) = &*self.opened;
        drop(changed.wait_while(opened.lock().unwrap(), |opened| !*opened).unwrap());
        self.kept.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_writer_that_stands_still_and_no_refusal_goes_uncounted() {
    let opened = Arc::new((Mutex::new(false), Condvar::new()));
    let (reached, writing): (_, Receiver<()>) = channel();
    let (kept, metrics, clock) = (Kept::default(), Arc::new(Metrics::new()), Clock::fixed(NOW));
    let gate = Gate { opened: Arc::clone(&opened), reached, kept: kept.clone() };
    let log = Log::to(gate, all(), Arc::clone(&metrics), clock.clone());
    log.access(&refused(Reason::Draining, PEER), None);
    writing.recv_timeout(Duration::from_secs(10)).unwrap();

    // The writer stands still: fill the channel with lines that may be dropped.
    while !metrics.render(NOW).contains("scopegate_log_lines_dropped_total 1\n") {
        log.access(&forwarded(), None);
    }
    for _ in 0..3 {
        log.access(&refused(Reason::NoToken, PEER), None);
    }
    *opened.0.lock().unwrap() = true;
    opened.1.notify_all();
    log.flush();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("\"reason\":\"no_token\",\"count\":3"), "{}", text.lines().last().unwrap());
    assert!(
        metrics.render(NOW).contains("scopegate_log_lines_dropped_total 1\n"),
        "only the one that might be dropped"
    );
}

/// A stdout that nobody reads any more.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_stdout_costs_lines_and_nothing_else() {
    let metrics = Arc::new(Metrics::new());
    let log = Log::to(Closed, LogSettings::default(), Arc::clone(&metrics), Clock::fixed(NOW));
    for _ in 0..3 {
        log.access(&refused(Reason::NoToken, PEER), None);
        log.flush();
    }
    assert!(metrics.render(NOW).contains("scopegate_log_lines_dropped_total 3\n"));
}

#[test]
#[expect(clippy::cognitive_complexity, reason = "each line to the log counts for seven")]
fn events_are_lines_of_the_same_log_from_their_level_on() {
    let fixture = Fixture::new(LogSettings::default());
    let subscriber = tracing_subscriber::registry().with(fixture.log.events());
    let fault = Chained(io::Error::other("inner"));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(issuer = "https://idp.example.com/", keys = 2, fresh = true, share = 0.5, "keys `fetched`\nx=y");
        tracing::debug!("below the level");
        tracing::error!(error = &fault as &dyn std::error::Error, ts = "forged", shown = ?Some("a\"b"), "no reload");
        tracing::info!(target: "hyper::client", "another crate's chatter");
        tracing::warn!(target: "hyper::client", "another crate's warning");
        fixture.log.flush();
        fixture.log.reconfigure(LogSettings { level: Level::DEBUG, format: LogFormat::Text, ..LogSettings::default() });
        tracing::debug!(attempt = 3, "from now on");
    });
    let text = fixture.text();
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        json!({
            "ts": "2026-11-23T10:43:00.070Z", "level": "info", "msg": "keys `fetched`\nx=y",
            "issuer": "https://idp.example.com/", "keys": 2, "fresh": true, "share": 0.5,
        }),
        json!({
            "ts": "2026-11-23T10:43:00.070Z", "level": "error", "msg": "no reload", "error": "outer: inner",
            "ts_": "forged", "shown": "Some(\"a\\\"b\")",
        }),
        json!({ "ts": "2026-11-23T10:43:00.070Z", "level": "warn", "msg": "another crate's warning" }),
    ];
    assert_eq!(lines.len(), 4, "{text}");
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap(), expected);
    }
    assert_eq!(lines[3], "2026-11-23T10:43:00.070Z debug from now on attempt=3");
}

#[test]
fn the_process_has_one_log_under_its_latest_settings() {
    let start = |access| {
        let settings = LogSettings { level: Level::ERROR, access, ..LogSettings::default() };
        Log::start(settings, Arc::new(Metrics::new()), Clock::system())
    };
    let first = start(LogAccess::Denied);
    assert!(!first.wants_allowed());
    let second = start(LogAccess::All);
    assert!(first.wants_allowed() && second.wants_allowed());
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Chained(#[source] io::Error);

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "the condition never came true");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
