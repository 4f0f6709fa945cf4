use super::load_tests::{Files, GATEWAY, ONE_ROUTE};
use super::{Diagnostic, Gateway, load_gateway};

fn load(section: &str) -> Result<Gateway, Vec<Diagnostic>> {
    let text = format!("{GATEWAY}traces: {section}\n");
    let files = Files::new(&[("scopegate.yaml", &text), ("routes.yaml", ONE_ROUTE), ("secret", "Basic c2VjcmV0\n")]);
    load_gateway(&files.path("scopegate.yaml"))
}

fn faults(section: &str) -> Vec<String> {
    load(section).unwrap_err().iter().map(|fault| fault.message.clone()).collect()
}

#[cfg(not(feature = "otel"))]
#[test]
fn a_build_without_the_feature_refuses_the_section_and_names_it() {
    let refused = load("{otlp: 'http://127.0.0.1:4318'}").unwrap_err();
    assert_eq!(refused.len(), 1);
    let place = refused[0].location.as_ref().unwrap();
    assert_eq!((place.line, place.column), (GATEWAY.lines().count() + 1, 1));
    assert_eq!(faults("{}"), ["`traces` needs a build with the feature `otel`, and this one is without"]);
}

#[cfg(feature = "otel")]
#[test]
fn the_documented_defaults_hold() {
    use std::time::Duration;

    use crate::traces::{Parents, TracesSettings};

    let expected = TracesSettings {
        url: "http://127.0.0.1:4318/v1/traces".parse().unwrap(),
        sample: 0.01,
        parents: Parents::All,
        resource: Vec::new(),
        fields: Vec::new(),
        interval: Duration::from_secs(5),
        queue: 2048,
        timeout: Duration::from_secs(10),
        ca: None,
    };
    assert_eq!(load("{otlp: 'http://127.0.0.1:4318'}").unwrap().traces, Some(expected));
    let files = Files::new(&[("scopegate.yaml", GATEWAY), ("routes.yaml", ONE_ROUTE)]);
    assert_eq!(load_gateway(&files.path("scopegate.yaml")).unwrap().traces, None);
}

#[cfg(feature = "otel")]
#[test]
fn the_path_for_traces_is_added_once() {
    for (written, url) in [
        ("https://c.test:4318", "https://c.test:4318/v1/traces"),
        ("https://c.test/", "https://c.test/v1/traces"),
        ("https://c.test/otlp/", "https://c.test/otlp/v1/traces"),
        ("https://c.test/otlp/v1/traces", "https://c.test/otlp/v1/traces"),
        ("https://c.test/v1/traces/?a=b", "https://c.test/v1/traces?a=b"),
    ] {
        let traces = load(&format!("{{otlp: '{written}'}}")).unwrap().traces.unwrap();
        assert_eq!(traces.url.to_string(), url, "{written}");
    }
}

#[cfg(feature = "otel")]
#[test]
fn what_is_written_is_read_and_shown_by_nobody() {
    let traces = load(
        "{otlp: 'http://collector:4318', insecure_http: on, sample: 0, parents: none, interval: 1s, queue: 1, timeout: 2s, \
         headers: {Authorization: {file: secret}}, resource: {a: b c, d: {file: secret}}}",
    );
    let traces = traces.unwrap().traces.unwrap();
    assert_eq!((traces.sample, traces.queue, traces.resource.len()), (0.0, 1, 2));
    assert_eq!(traces.fields[0].0, "authorization");
    assert_eq!(traces.fields[0].1, "Basic c2VjcmV0");
    assert!(!format!("{:?}", traces.fields).contains("c2VjcmV0"));
}

#[cfg(feature = "otel")]
#[test]
fn mistakes_are_told_with_their_keys() {
    for (section, expected) in [
        ("{}", "`traces.otlp` is missing"),
        (
            "{otlp: collector}",
            "`traces.otlp` must be a URL such as `https://collector.example.com:4318`, not `collector`",
        ),
        ("{otlp: 'http://collector:4318'}", "`traces.otlp` is http beyond loopback"),
        ("{otlp: 'https://c.test', sample: 1.5}", "`traces.sample` must be a number from 0 to 1, not `1.5`"),
        ("{otlp: 'https://c.test', sample: '1'}", "`traces.sample` must be a number from 0 to 1, not `1`"),
        (
            "{otlp: 'https://c.test', parents: some}",
            "`traces.parents` must be one of `all`, `trusted`, `none`, not `some`",
        ),
        ("{otlp: 'https://c.test', headers: {'a b': {file: secret}}}", "`traces.headers.a b` is no name of a field"),
        (
            "{otlp: 'https://c.test', headers: {Host: {file: secret}}}",
            "`traces.headers.Host` is the gateway's own to say",
        ),
        ("{otlp: 'https://c.test', headers: {a: {file: absent}}}", "`traces.headers.a` names"),
        ("{otlp: 'https://c.test', headers: {a: text}}", "`traces.headers.a` must be `{file: PATH}` or `{env: NAME}`"),
        ("{otlp: 'https://c.test', ca: absent.pem}", "`traces.ca` names"),
        ("{endpoint: 'https://c.test'}", "unknown key `traces.endpoint`"),
    ] {
        let faults = faults(section);
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{section}: {faults:?}");
    }
}

#[cfg(feature = "otel")]
#[test]
fn a_secret_that_is_written_in_the_file_is_not_repeated() {
    for fault in load("{otlp: nowhere, headers: {x-key: s3cret}, what: x}").unwrap_err() {
        assert!(!fault.render(false).contains("s3cret"), "{}", fault.render(false));
    }
}
