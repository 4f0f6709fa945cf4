//! Revocation feeds and the role directory, as they are written.

use std::time::Duration;

use super::load_tests::{GATEWAY, POLICY};
use super::{Gateway, load_gateway_with_inputs};
use crate::net::{Credentials, Polled};
use crate::policy::RouteTable;

const SECOND: Duration = Duration::from_secs(1);

/// Loads a gateway file beside the policy without its tests; the files that it was read from, by name.
fn load(text: &str) -> (Gateway, Vec<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let policy = POLICY.split("\ntests:").next().unwrap();
    for (name, text) in [
        ("scopegate.yaml", text),
        ("routes.yaml", policy),
        ("jwks.json", "{}"),
        ("ca.pem", "-"),
        ("feed.token", "s3cret\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (gateway, inputs) = load_gateway_with_inputs(&folder.path().join("scopegate.yaml"));
    let read = inputs.files().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect();
    (gateway.unwrap(), read, folder)
}

fn written(feed: &str, directory: &str) -> String {
    let revocations = format!("    keys: {{file: jwks.json}}\n    revocations: {{{feed}}}\n");
    let issuers = GATEWAY.replace("    keys: {file: jwks.json}\n", &revocations);
    format!("{issuers}ceilings: {{roles: on, clients: on}}\nroles: {{directory: {{{directory}}}}}\n")
}

fn polled(url: &str, max_stale: Duration) -> Polled {
    Polled {
        url: url.parse().unwrap(),
        interval: 2 * SECOND,
        max_stale,
        timeout: 3 * SECOND,
        ca: None,
        credentials: Credentials::new("Bearer s3cret").unwrap(),
    }
}

#[test]
fn feeds_and_directory_have_the_documented_defaults() {
    let (feed, directory) = ("https://idp.example.com/feed", "http://127.0.0.1:1/roles?tenant=a");
    let text = written(&format!("url: {feed}, token: s3cret"), &format!("url: '{directory}', token: s3cret"));
    let (gateway, ..) = load(&text);
    let revocations = gateway.issuers[0].revocations.as_ref().unwrap();
    assert_eq!(revocations.feed, polled(feed, 60 * SECOND));
    assert!(!revocations.serve_stale);
    assert_eq!(gateway.role_directory, Some(polled(directory, 3600 * SECOND)));
    assert!(gateway.table.ceilings().directory);
}

#[test]
fn every_key_of_a_feed_and_of_the_directory_is_read_where_it_is_written() {
    let times = "interval: 500ms, max_stale: 5s, timeout: 700ms, ca: ca.pem, insecure_http: true";
    let text = written(
        &format!("url: 'http://10.0.0.1/feed', token: {{file: feed.token}}, when_stale: serve, {times}"),
        &format!("url: 'http://10.0.0.1/roles', token: {{file: feed.token}}, {times}"),
    );
    let (gateway, read, folder) = load(&text);
    let expected = |url| Polled {
        interval: SECOND / 2,
        timeout: Duration::from_millis(700),
        ca: Some(folder.path().join("ca.pem")),
        ..polled(url, 5 * SECOND)
    };
    let revocations = gateway.issuers[0].revocations.as_ref().unwrap();
    assert_eq!((&revocations.feed, revocations.serve_stale), (&expected("http://10.0.0.1/feed"), true));
    assert_eq!(gateway.role_directory, Some(expected("http://10.0.0.1/roles")));
    for name in ["ca.pem", "feed.token"] {
        assert!(read.iter().any(|file| file == name), "`{name}` is watched");
    }
    assert_eq!(gateway.warnings.iter().filter(|warning| warning.message.contains("http beyond loopback")).count(), 2);
    assert!(!format!("{gateway:?}").contains("s3cret"));
}

#[test]
fn a_table_with_a_directory_is_another_table() {
    let fingerprint = |text: &str| RouteTable::fingerprint(&load(text).0.table).to_owned();
    let with = written("url: https://a.test/, token: t", "url: https://a.test/, token: t");
    let without: String =
        with.lines().filter(|line| !line.starts_with("roles:")).map(|line| format!("{line}\n")).collect();
    assert_ne!(fingerprint(&with), fingerprint(&without));
    assert_eq!(
        fingerprint(&with),
        fingerprint(&with.replace("directory: {url: https://a.test/", "directory: {url: https://b.test/"))
    );
}
