//! A reload changes what is in force in one step, or nothing.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use serde_json::json;

use crate::support::{Answer, Gateway, Load, Message, POLICY, Setup, Signer, Upstream, eventually};

const BUSY: usize = 64;
/// Reloads of the long test, every second one broken; `RELOADS=200 cargo test` for a longer run.
const RELOADS: usize = 20;

fn routes_with(route: &str) -> String {
    format!("{POLICY}  - {{path: /{route}, upstream: api, methods: {{GET: public}}}}\n")
}

fn status(gateway: &Gateway, target: &str) -> u16 {
    gateway.client().request("GET", target, "").status
}

#[test]
fn reloads_every_second_one_broken_disturb_nobody() {
    let reloads = std::env::var("RELOADS").map_or(RELOADS, |text| text.parse().unwrap());
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let token = gateway.signer.token("items:read", &json!({}));
    let request = format!("GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    let load = Load::start(gateway.address, BUSY, &request);
    for number in 0..reloads {
        let good = number % 2 == 0;
        let text = if good { routes_with(&format!("r{number}")) } else { format!("{POLICY}  - {{path: /broken}}\n") };
        gateway.write("routes.yaml", &text);
        let answer = gateway.ask("POST", "/reload");
        assert_eq!(answer.status == 200, good, "reload {number}: {}", answer.text());
        let last_good = format!("/r{}", number - number % 2);
        assert_eq!(status(&gateway, &last_good), 200, "after reload {number}");
    }
    let tally = load.stop();
    assert_eq!((tally.bad.load(Ordering::Relaxed), tally.unread.load(Ordering::Relaxed)), (0, 0), "{tally:?}");
    assert!(tally.good.load(Ordering::Relaxed) > BUSY, "{tally:?}");
    assert_eq!(status(&gateway, "/r0"), 404, "the first table is gone");
    let counted = |result: &str| gateway.metric("scopegate_reload_total", &[&format!("result=\"{result}\"")]);
    let half = (reloads / 2) as f64;
    assert!(counted("ok") >= half && counted("failed") >= half, "{} {}", counted("ok"), counted("failed"));
    let allowed =
        gateway.metric("scopegate_allowed_total", &["route=\"/items/{id}\"", "method=\"GET\"", "access=\"user\""]);
    assert_eq!(allowed, tally.good.load(Ordering::Relaxed) as f64, "counters outlive reloads");
    let ready = gateway.ask("GET", "/readyz");
    assert!(ready.status == 200 && ready.text().contains("reload failed"), "{}", ready.text());
}

#[test]
fn a_file_that_is_written_takes_effect_by_itself() {
    let gateway = Setup::default().start(&Upstream::echo());
    gateway.write("routes.yaml", &routes_with("written"));
    eventually("the new route", || (status(&gateway, "/written") == 200).then_some(()));
}

#[test]
fn the_mend_of_what_a_failed_reload_missed_is_seen() {
    let gateway = Setup::default().start(&Upstream::echo());
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("[routes.yaml]", "[routes.yaml, more/*.yaml]"));
    assert_ne!(gateway.ask("POST", "/reload").status, 200, "a glob that matches nothing");
    std::fs::create_dir(gateway.folder.path().join("more")).unwrap();
    gateway.write("more/late.yaml", "routes:\n  - {path: /late, upstream: api, methods: {GET: public}}\n");
    eventually("the late file", || (status(&gateway, "/late") == 200).then_some(()));
}

#[test]
fn an_editors_rename_takes_effect() {
    let gateway = Setup::default().start(&Upstream::echo());
    gateway.write("routes.yaml.tmp", &routes_with("renamed"));
    std::fs::rename(gateway.folder.path().join("routes.yaml.tmp"), gateway.folder.path().join("routes.yaml")).unwrap();
    eventually("the new route", || (status(&gateway, "/renamed") == 200).then_some(()));
}

#[test]
fn a_config_maps_swap_takes_effect() {
    let gateway = Setup::default().start(&Upstream::echo());
    let folder = gateway.folder.path();
    let version = |name: &str, text: &str| {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("routes.yaml"), text).unwrap();
        std::os::unix::fs::symlink(name, folder.join("..data.tmp")).unwrap();
        std::fs::rename(folder.join("..data.tmp"), folder.join("..data")).unwrap();
    };
    version("..v1", &routes_with("v1"));
    std::fs::remove_file(folder.join("routes.yaml")).unwrap();
    std::os::unix::fs::symlink("..data/routes.yaml", folder.join("routes.yaml")).unwrap();
    eventually("the first version", || (status(&gateway, "/v1") == 200).then_some(()));
    version("..v2", &routes_with("v2"));
    eventually("the second version", || (status(&gateway, "/v2") == 200).then_some(()));
    assert_eq!(status(&gateway, "/v1"), 404);
}

#[test]
fn a_hang_up_signal_reloads() {
    let gateway = Setup::default().start(&Upstream::echo());
    let before = gateway.metric("scopegate_reload_total", &[]);
    gateway.signal("HUP");
    eventually("a reload", || (gateway.metric("scopegate_reload_total", &[]) > before).then_some(()));
    assert_eq!(status(&gateway, "/open/x"), 200);
}

#[test]
fn an_issuer_that_is_dropped_is_dead_at_once() {
    let gateway = Setup::default().start(&Upstream::echo());
    let token = gateway.signer.token("items", &json!({}));
    let mut client = gateway.client();
    assert_eq!(client.get("/items/7", &token).status, 200);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("https://idp.test/", "https://other.test/"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let response = client.get("/items/7", &token);
    assert_eq!((response.status, response.reason()), (401, "unknown_issuer".into()), "a remembered token too");
}

#[test]
fn another_catalogue_gives_a_remembered_token_another_standing() {
    let gateway = Setup::default().start(&Upstream::echo());
    let token = gateway.signer.token("items", &json!({}));
    let mut client = gateway.client();
    assert_eq!(client.get("/items/7", &token).status, 200);
    gateway.write("routes.yaml", &POLICY.replace("implies: [items:read], ", ""));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(client.get("/items/7", &token).reason(), "insufficient_scope");
}

#[test]
fn what_needs_a_restart_is_said_and_the_rest_takes_effect() {
    let gateway = Setup { more: "workers: 1".into(), ..Setup::default() }.start(&Upstream::echo());
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("workers: 1", "workers: 2\nrealm: other"));
    let answer = gateway.ask("POST", "/reload");
    assert!(answer.status == 200 && answer.text().contains("workers"), "{}", answer.text());
    let refused = gateway.client().request("GET", "/items/7", "");
    assert!(refused.field("www-authenticate").unwrap().contains("realm=\"other\""));
}

#[test]
fn a_reload_says_what_has_changed() {
    let gateway = Setup { api: "timeouts: {response: 5s}".into(), ..Setup::default() }.start(&Upstream::echo());
    let counted = |result: &str| gateway.metric("scopegate_reload_total", &[&format!("result=\"{result}\"")]);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let other_keys = Signer::new("key-2").jwks();
    for (name, text, [table, settings]) in [
        ("scopegate.yaml", format!("# A remark.\n{file}"), [false, false]),
        ("scopegate.yaml", file.replace("response: 5s", "response: 6s"), [false, true]),
        ("scopegate.yaml", file.replace("response: 5s", "response: 6s") + "workers: 7\n", [false, false]),
        ("routes.yaml", routes_with("another"), [true, false]),
        ("jwks.json", other_keys, [false, true]),
        ("scopegate.yaml", file.clone(), [false, true]),
    ] {
        // The change is seen in any case: by which of two reloads is told by what both have said.
        let before = [counted("ok"), counted("unchanged")];
        gateway.write(name, &text);
        gateway.ask("POST", "/reload");
        let (so_far, now) = ((before[0] + before[1]) as usize, (counted("ok") + counted("unchanged")) as usize);
        let reloads = eventually("the log tells of it", || {
            let log = gateway.log();
            let reloads: Vec<_> = log.into_iter().filter(|event| event["msg"] == "reloaded").skip(so_far).collect();
            (reloads.len() >= now - so_far).then_some(reloads)
        });
        let any = |member: &str| reloads.iter().any(|event| event[member] == true);
        assert_eq!([any("table_changed"), any("settings_changed")], [table, settings], "{name}: {text}");
        assert_eq!(any("changed"), table || settings);
        assert_eq!(counted("ok") > before[0], table || settings, "{name}: {text}");
    }
    let answer: serde_json::Value = serde_json::from_slice(&gateway.ask("POST", "/reload").message.content).unwrap();
    assert_eq!([&answer["changed"], &answer["table_changed"], &answer["settings_changed"]], [false, false, false]);
}

/// Takes away `/items/{id}` and calls the realm otherwise.
fn reload_without_items(gateway: &Gateway) {
    let without: Vec<_> = POLICY.lines().filter(|line| !line.contains("/items/{id}")).collect();
    gateway.write("routes.yaml", &without.join("\n"));
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &format!("{file}realm: other\n"));
    let answer = gateway.ask("POST", "/reload");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// An upstream that answers `first` requests at once and hands the connection of each further one to the test.
fn held_after(first: usize, answer: &str) -> (Upstream, mpsc::Receiver<BufReader<TcpStream>>) {
    let (give, streams) = mpsc::channel();
    let (give, answer, count) = (Mutex::new(give), answer.to_owned(), AtomicUsize::new(0));
    let upstream = Upstream::answering(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) < first {
            return Answer::ok(&answer);
        }
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| drop(give.send(stream))))
    });
    (upstream, streams)
}

fn table_in_force(gateway: &Gateway) -> String {
    gateway.ask("GET", "/routes").json()["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

#[test]
fn a_request_is_forwarded_and_recorded_under_the_table_that_it_began_with() {
    let (upstream, streams) = held_after(0, "");
    let gateway = Setup { more: "log: {access: all}".into(), ..Setup::default() }.start(&upstream);
    let (token, began_with) = (gateway.signer.token("items", &json!({})), table_in_force(&gateway));
    let mut client = gateway.client();
    client.send(format!(
        "PUT /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\r\nX-Request-Id: held\r\nContent-Length: 10\r\n\r\nfirst"
    ));
    let mut stream = streams.recv().unwrap();
    reload_without_items(&gateway);
    assert_ne!(table_in_force(&gateway), began_with);
    client.send("-last");
    let mut received = Message { fields: vec![("content-length".into(), "10".into())], ..Message::default() };
    received.read_content(&mut stream).unwrap();
    assert_eq!(received.content, b"first-last");
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").unwrap();
    let response = client.response_to("PUT");
    assert_eq!((response.status, &*response.text()), (200, "done"));
    assert_eq!(client.get("/items/7", &token).status, 404, "the next of the same connection meets the new table");
    let record = eventually("its record", || gateway.log().into_iter().find(|line| line["request_id"] == "held"));
    assert_eq!((&record["table"], &record["route"]), (&json!(began_with), &json!("/items/{id}")));
}

#[test]
fn a_request_is_refused_under_the_table_that_it_began_with() {
    let signer = Signer::new("k");
    // The first key set comes at once; the refresh is held, and whoever asks for an unknown key waits for it.
    let (server, streams) = held_after(1, &signer.jwks());
    let keys = format!("{{url: 'http://{}/keys', timeout: 15s, cooldown: 100ms, refresh: 1s}}", server.address);
    let gateway = Setup { keys, ..Setup::default() }.start(&Upstream::echo());
    let mut refresh = streams.recv().unwrap();
    let unknown = Signer::new("unknown").token("items", &json!({}));
    let mut client = gateway.client();
    client.send(format!("GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {unknown}\r\n\r\n"));
    eventually("it waits for keys", || (gateway.metric("scopegate_requests_in_flight", &[]) == 1.0).then_some(()));
    reload_without_items(&gateway);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", signer.jwks().len(), signer.jwks());
    refresh.get_mut().write_all(answer.as_bytes()).unwrap();
    let response = client.response_to("GET");
    assert_eq!((response.status, response.reason()), (401, "unknown_key".into()), "its route was there");
    assert!(response.field("www-authenticate").unwrap().starts_with("Bearer realm=\"api\""));
    assert_eq!(client.get("/items/7", &unknown).status, 404, "the next one finds none");
    let challenge = client.request("GET", "/session", "");
    assert!(challenge.field("www-authenticate").unwrap().starts_with("Bearer realm=\"other\""));
}
