//! A reload changes what is in force in one step, or nothing.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::support::{Gateway, Load, POLICY, Setup, Upstream, eventually};

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
