//! Each line of the log is what its schema says, and no refusal goes untold.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use scopegate::policy::Reason;
use serde_json::{Value, json};

use crate::support::{Client, Gateway, LOG_SCHEMA, Setup, Upstream, eventually, fault_of, shipped};

const CLIENTS: usize = 64;
const WHILE_FULL: &str = "requests refused while the log was full";

/// Refusals by reason.
type Refusals = BTreeMap<String, u64>;

#[test]
fn the_schema_says_what_every_member_is() {
    assert!(jsonschema::draft202012::meta::is_valid(&LOG_SCHEMA));
    let definitions = LOG_SCHEMA["$defs"].as_object().unwrap();
    for (name, definition) in definitions {
        assert!(definition["description"].is_string(), "{name}");
        for (member, said) in definition["properties"].as_object().into_iter().flatten() {
            let definition = said["$ref"].as_str().map(|place| &definitions[place.rsplit('/').next().unwrap()]);
            assert!(definition.unwrap_or(said)["description"].is_string(), "{name}.{member}");
        }
    }
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| json!(reason.as_str())).collect();
    assert_eq!(definitions["reason"]["enum"], json!(reasons));
    let page = shipped("docs/logs.md");
    let members = definitions["access"]["properties"].as_object().unwrap().keys();
    let untold: Vec<_> = members.filter(|member| !page.contains(&format!("`{member}`"))).collect();
    assert!(untold.is_empty(), "not in docs/logs.md: {untold:?}");
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let record = json!({
        "ts": "2026-11-23T10:43:00.070Z", "level": "info", "msg": "request refused", "request_id": "r1", "peer": "192.0.2.7",
        "method": "GET", "status": 403, "source": "gateway", "reason": "no_token", "table": "f1", "duration_ms": 1.234,
        "bytes_in": 0, "bytes_out": 17,
    });
    assert_eq!(fault_of(&record.to_string()), None);
    let cases = [
        ("a member that nobody knows", "query", json!("a=b")),
        ("a reason that nobody knows", "reason", json!("whim")),
        ("a refusal by an upstream", "source", json!("upstream")),
        ("a refusal that was none", "msg", json!("request forwarded")),
        ("a number in words", "status", json!("403")),
        ("less than nothing", "duration_ms", json!(-1)),
        ("a token", "token_id", json!("eyJhbGciOiJFUzI1NiJ9")),
        ("a time of day", "ts", json!("10:43:00")),
    ];
    for (name, member, value) in cases {
        let mut record = record.clone();
        record[member] = value;
        assert!(fault_of(&record.to_string()).is_some(), "{name}");
    }
    let event = json!({"ts": record["ts"], "level": "info", "msg": "serving", "pid": 7, "listener": "127.0.0.1:1"});
    assert_eq!(fault_of(&event.to_string()), None);
    assert!(fault_of(&json!({"msg": "serving"}).to_string()).is_some());
}

/// Sends `each` requests over each of many connections, most of them refused: what the clients were told.
fn load(gateway: &Gateway, each: usize) -> Refusals {
    let poor = format!("Authorization: Bearer {}\r\n", gateway.signer.token("items:read", &json!({})));
    let requests = [
        ("GET", "/items", String::new()),
        ("GET", "/items", "Authorization: Bearer nothing\r\n".to_owned()),
        ("GET", "/nowhere", poor.clone()),
        ("GET", "/open/x", String::new()),
        ("DELETE", "/items", poor.clone()),
        ("DELETE", "/items/7", poor),
    ];
    let mut told = Refusals::new();
    thread::scope(|scope| {
        let requests = &requests;
        let client = |first: usize| {
            let mut client: Client = gateway.client();
            let mut told = Refusals::new();
            for (method, target, fields) in requests.iter().cycle().skip(first % requests.len()).take(each) {
                let response = client.request(method, target, fields);
                match response.status {
                    200 => {}
                    400..=499 => *told.entry(response.reason()).or_default() += 1,
                    status => panic!("{method} {target}: {status}"),
                }
            }
            told
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        for client in clients {
            add(&mut told, client.join().unwrap());
        }
    });
    told
}

fn add(sum: &mut Refusals, more: Refusals) {
    for (reason, count) in more {
        *sum.entry(reason).or_default() += count;
    }
}

/// Refusals that lines stand for: one each, or as many as `count` says.
fn logged(lines: &[Value]) -> Refusals {
    let refusals =
        lines.iter().filter_map(|line| Some((line["reason"].as_str()?, line["count"].as_u64().unwrap_or(1))));
    let mut sum = Refusals::new();
    // Of the gateway's own events some have a `reason` too.
    let of_requests = refusals.filter(|(reason, _)| Reason::ALL.iter().any(|known| known.as_str() == *reason));
    of_requests.for_each(|(reason, count)| *sum.entry(reason.to_owned()).or_default() += count);
    sum
}

fn counted(gateway: &Gateway, reasons: &Refusals) -> Refusals {
    let count = |reason: &String| gateway.metric("scopegate_denials_total", &[&format!("reason=\"{reason}\"")]) as u64;
    reasons.keys().map(|reason| (reason.clone(), count(reason))).collect()
}

#[test]
fn every_refusal_is_told_however_many_there_are_and_whether_or_not_somebody_reads() {
    let gateway = Setup { more: "workers: 2\nlog: {access: all}".into(), ..Setup::default() }.start(&Upstream::echo());
    let mut told = load(&gateway, 60);
    assert_eq!(told.len(), 5, "{told:?}");
    eventually("all is in the log", || (logged(&gateway.log()) == told).then_some(()));
    gateway.leave_log_unread(true);
    add(&mut told, load(&gateway, 240));
    assert_eq!(counted(&gateway, &told), told);
    assert!(gateway.metric("scopegate_log_lines_dropped_total", &[]) > 0.0, "records of allowed requests make room");
    gateway.leave_log_unread(false);
    eventually("all is in the log", || (logged(&gateway.log()) == told).then_some(()));
    let lines = gateway.log();
    assert_eq!(gateway.metric("scopegate_denials_total", &[]) as u64, told.values().sum::<u64>());
    let kinds: BTreeSet<_> = lines.iter().filter_map(|line| line["msg"].as_str()).collect();
    for kind in ["serving", "request forwarded", "request refused", "equal requests refused", WHILE_FULL] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    let faults: Vec<_> = lines.iter().filter_map(|line| fault_of(&line.to_string())).take(5).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
