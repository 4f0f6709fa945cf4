//! `scopegate doctor` over real sockets: a set-up that is well, and what it says of those that are not.

use std::net::TcpListener;

use rcgen::date_time_ymd;
use serde_json::{Value, json};

use crate::support::{Answer, Authority, Http2Upstream, Mood, Sickbed, Signer, TlsFront, Upstream, fences, now};

/// A port at which nobody listens any more.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_set_up_that_is_well_is_called_well_and_nobody_is_sent_a_request_that_does_something() {
    let sickbed = Sickbed::new();
    let examined = sickbed.examine();
    assert_eq!((examined.status, examined.unwell(), examined.stderr.as_str()), (0, Vec::new(), ""));
    let document = examined.document();
    let findings = document["findings"].as_array().unwrap();
    let found: Vec<_> = findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    let all: Vec<_> = scopegate::doctor::Check::ALL.iter().map(|check| check.as_str()).collect();
    assert_eq!(found, all, "each check once, in order");
    assert_eq!((&document["ok"], &document["summary"]["ok"]), (&Value::Bool(true), &json!(all.len())));
    assert_eq!(sickbed.api.taken().len(), 0, "no request reaches an upstream");
    assert_eq!(sickbed.upstream.handshakes().len(), 1);
    let certificate = findings.iter().find(|finding| finding["check"] == "certificate").unwrap();
    assert_eq!(certificate["subject"], "tls/api.pem");
    assert!(certificate["message"].as_str().unwrap().contains("for `api.test`"), "{certificate}");
    let text = sickbed.run(&[]);
    assert_eq!((text.status, text.stderr.as_str()), (0, ""));
    assert!(
        text.stdout.starts_with("configuration\n  ok       scopegate.yaml: compiles: 6 routes, 4 scopes"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.ends_with(&format!("\nscopegate.yaml: {} ok\n", all.len())), "{}", text.stdout);
}

#[test]
fn the_json_has_the_members_that_the_page_shows() {
    let shown = fences().into_iter().find(|fence| fence.document == "docs/doctor.md" && fence.info == "json").unwrap();
    let shown: Value = serde_json::from_str(&shown.text).unwrap();
    let found = Sickbed::new().examine().document();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&shown));
    assert_eq!(names(&found["summary"]), names(&shown["summary"]));
    assert_eq!(names(&found["findings"][0]), names(&shown["findings"][0]));
}

#[test]
fn a_file_that_does_not_compile_is_told_as_check_tells_it_and_the_rest_is_skipped() {
    let sickbed = Sickbed { more: "limits: {conections: 1}\nrealms: x\n".into(), ..Sickbed::new() };
    let examined = sickbed.examine();
    let (unwell, document) = (examined.unwell(), examined.document());
    let first = unwell.first().unwrap();
    assert_eq!(
        (examined.status, [&*first[0], &first[1], &first[2]]),
        (1, ["configuration", "failed", "scopegate.yaml"])
    );
    assert!(first[3].contains("2 errors") && first[3].contains("`limits.conections`"), "{first:?}");
    assert_eq!(first[4], "`scopegate check scopegate.yaml` shows each at its line");
    assert!(unwell[1..].iter().all(|finding| finding[1] == "skipped" && finding[3].contains("does not compile")));
    assert_eq!((unwell.len(), document["diagnostics"].as_array().unwrap().len()), (11, 2));
    let text = sickbed.run(&[]);
    assert_eq!(text.status, 1);
    assert!(text.stderr.contains("scopegate.yaml:") && text.stderr.contains("`realms`"), "{}", text.stderr);
    assert!(text.stdout.ends_with("scopegate.yaml: 1 ok, 1 failed, 10 skipped\n"), "{}", text.stdout);
}

#[test]
fn a_file_that_is_not_a_gateways_or_not_there_is_a_fault_of_the_call() {
    let sickbed = Sickbed::new();
    for (text, said, hint) in [
        (None, "cannot read `scopegate.yaml`", ""),
        (Some("issuer: x\ndatabase: y\n"), "is an authorization server's file", "`scopegate check scopegate.yaml`"),
        (Some("routes: []\n"), "is no gateway file", "`scopegate check scopegate.yaml`"),
    ] {
        text.iter().for_each(|text| sickbed.write("scopegate.yaml", text));
        let examined = sickbed.run(&[]);
        assert_eq!((examined.status, examined.stdout.as_str()), (2, ""));
        assert!(examined.stderr.contains(said) && examined.stderr.contains(hint), "{}", examined.stderr);
    }
}

#[test]
fn no_secret_is_shown() {
    let sickbed = Sickbed::new();
    sickbed.feeds.be(Mood::Status(401));
    sickbed.idp.change(|says| says.introspection = json!({"active": true}));
    sickbed.write_file();
    for arguments in [&["--format", "json"][..], &[]] {
        let examined = sickbed.run(arguments);
        assert_eq!(examined.status, 1);
        for secret in ["s3cret", "feed-token", "Z2F0ZXdheTpzM2NyZXQ", "PRIVATE KEY"] {
            assert!(!examined.stdout.contains(secret) && !examined.stderr.contains(secret), "{secret}");
        }
    }
}

#[test]
fn secrets_that_everybody_may_read_and_files_that_everybody_may_change() {
    for (name, mode, message, hint) in [
        ("client-secret", 0o644, "holds a secret, and everybody may read it (mode 644)", "`chmod o-r client-secret`"),
        ("routes.yaml", 0o666, "everybody may change it (mode 666)", "`chmod o-w routes.yaml`"),
    ] {
        let sickbed = Sickbed::new();
        sickbed.mode(name, mode);
        sickbed.examine().assert_finds("permissions", "warning", name, message, hint);
    }
    let sickbed = Sickbed::new();
    sickbed.mode("tls/api.key", 0o604);
    let unwell = sickbed.examine().unwell();
    assert_eq!(unwell.len(), 2, "{unwell:?}");
    assert_eq!([&*unwell[0][0], &unwell[0][1]], ["configuration", "warning"]);
    assert_eq!(
        [&*unwell[1][0], &unwell[1][2], &unwell[1][4]],
        ["permissions", "tls/api.key", "`chmod o-r tls/api.key`"]
    );
}

#[test]
fn certificates_that_others_refuse_or_soon_will() {
    let in_days = |days: u64| {
        let day = date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(now() + days * 86_400 + 3_600);
        move |params: &mut rcgen::CertificateParams| params.not_after = day
    };
    let early = |params: &mut rcgen::CertificateParams| params.not_before = date_time_ymd(2099, 1, 1);
    let issue = |sickbed: &Sickbed, name: &str| match name {
        "expired" => sickbed.authority.issue_expired(&["api.test"]),
        "soon" => sickbed.authority.issue_with(&["api.test"], in_days(13)),
        "not so soon" => sickbed.authority.issue_with(&["api.test"], in_days(14)),
        "early" => sickbed.authority.issue_with(&["api.test"], early),
        _ => sickbed.authority.issue(&["other.test", "*.api.test"]),
    };
    for (name, level, subject, message, hint) in [
        ("expired", "failed", "tls/api.pem", "expired on 2020-02-01; for `api.test`", "have it renewed"),
        ("soon", "warning", "tls/api.pem", "in 13 days; for `api.test`", "have it renewed"),
        ("not so soon", "ok", "", "", ""),
        ("early", "failed", "tls/api.pem", "not valid before 2099-01-01", "is the clock right?"),
        ("other", "warning", "127.0.0.1:0", "no certificate is for `api.test`", "`public_url`"),
    ] {
        let sickbed = Sickbed::new();
        sickbed.certify(&issue(&sickbed, name));
        let examined = sickbed.examine();
        let of_check: Vec<_> = examined.unwell().into_iter().filter(|found| found[0] == "certificate").collect();
        if level == "ok" {
            assert_eq!((of_check.len(), examined.status), (0, 0), "{name}: {of_check:?}");
            continue;
        }
        let [found] = of_check.as_slice() else { panic!("{name}: {of_check:?}") };
        assert_eq!([&*found[1], &found[2]], [level, subject], "{name}");
        assert!(found[3].contains(message) && found[4].contains(hint), "{name}: {found:?}");
        assert_eq!(examined.status, i32::from(level == "failed"), "{name}");
    }
}

/// An issuer with its keys at a URL, and nothing else to be asked for.
fn with_keys(keys: String) -> Sickbed {
    Sickbed { keys, of_issuer: String::new(), ..Sickbed::new() }
}

#[test]
fn issuers_whose_keys_cannot_be_had() {
    let nobody = nobody();
    let sickbed = with_keys(format!("{{url: 'http://{nobody}/keys'}}"));
    let message = format!("its keys cannot be had from `http://{nobody}/keys`: the connection was refused");
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, &message, "is the server running");

    let sickbed = with_keys("{discovery: true}".into());
    sickbed.idp.change(|says| says.keys = (404, "<html>".into()));
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, "/keys`: status 404", "is this the right URL?");
    sickbed.idp.change(|says| says.keys = (200, "<html>what is this?</html>".into()));
    let hint = "a key set is a JSON object with `keys`";
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, "no key set: the text is not JSON", hint);
    sickbed.idp.change(|says| says.name = "https://other.test/".into());
    let (message, hint) = ("the document names another issuer", "write `issuer` exactly as its metadata does");
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, message, hint);

    let elsewhere = Upstream::answering(|_| Answer::Bytes(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let without = Sickbed { issuer: format!("http://{}", elsewhere.address), ..with_keys("{discovery: true}".into()) };
    let (message, hint) = ("its metadata cannot be had: status 404", "otherwise write `keys: {url: …}`");
    without.examine().assert_finds("keys", "failed", &without.issuer, message, hint);
}

#[test]
fn an_issuer_that_says_nothing_is_waited_for_as_long_as_the_call_allows() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sickbed = with_keys(format!("{{url: 'http://{}/keys'}}", silent.local_addr().unwrap()));
    sickbed.arguments = vec!["--timeout", "200ms"];
    let (message, hint) = ("no whole answer in time", "is a firewall or a network policy in between?");
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, message, hint);
}

#[test]
fn an_issuer_behind_an_authority_that_is_not_trusted() {
    let (other, idp) = (Authority::new("others"), Upstream::echo());
    let front = TlsFront::start(&other.issue(&["127.0.0.1"]), None, idp.address);
    let sickbed = with_keys(format!("{{url: 'https://{}/keys', ca: ca.pem}}", front.address));
    let (message, hint) = ("the TLS handshake failed: invalid peer certificate: UnknownIssuer", "as `ca`");
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, message, hint);
}

#[test]
fn keys_that_cannot_be_used() {
    let sickbed = Sickbed { of_issuer: "    algorithms: [RS256, PS256]\n".into(), ..Sickbed::new() };
    let message = "has 1 key, for `ES256`, and `algorithms` takes `RS256`, `PS256` alone";
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, message, "add to `algorithms`");
    sickbed.idp.change(|says| says.keys = (200, json!({"keys": [{"kty": "oct", "k": "AAAA"}]}).to_string()));
    let message = "has no key that can be used: the first was left out because it is a shared secret";
    sickbed.examine().assert_finds("keys", "failed", &sickbed.issuer, message, "every token of this issuer is refused");
    let sickbed = with_keys("{file: jwks.json}".into());
    sickbed.write("jwks.json", &Signer::new("key-1").jwks());
    assert_eq!(sickbed.examine().unwell(), Vec::<[String; 5]>::new(), "a file has no clock");
}

#[test]
fn clocks_that_disagree() {
    for (ahead, level, message, hint) in [
        (3_600, "failed", "seconds behind the issuer's, with a leeway of 30", "not valid yet: does NTP run"),
        (
            -3_600,
            "failed",
            "seconds ahead of the issuer's, with a leeway of 30",
            "that long before they expire: does NTP run",
        ),
        (24, "warning", "seconds behind the issuer's", "does NTP run"),
    ] {
        let sickbed = Sickbed { of_issuer: "    leeway: 30s\n".into(), ..Sickbed::new() };
        sickbed.idp.change(|says| says.ahead = ahead);
        sickbed.examine().assert_finds("clock", level, &sickbed.issuer, message, hint);
    }
}

#[test]
fn introspection_that_does_not_work() {
    let sickbed = Sickbed::new();
    sickbed.write("client-secret", "another\n");
    let (message, hint) = ("/introspect` cannot be asked: status 401", "it does not take the gateway's credentials");
    sickbed.examine().assert_finds("introspection", "failed", &sickbed.issuer, message, hint);
    sickbed.write("client-secret", "s3cret\n");
    sickbed.idp.change(|says| says.introspection = json!({"active": true}));
    let (message, hint) = ("calls a token active that nobody has issued", "do not trust it");
    sickbed.examine().assert_finds("introspection", "failed", &sickbed.issuer, message, hint);
    sickbed.idp.change(|says| says.introspection = json!("yes"));
    let (message, hint) = ("its answer cannot be read", "is this the right URL (RFC 7662)?");
    sickbed.examine().assert_finds("introspection", "failed", &sickbed.issuer, message, hint);
}

#[test]
fn feeds_and_directories_that_cannot_be_read() {
    for (mood, message, hint) in [
        (Mood::Status(401), "cannot be read: status 401", "does not take the gateway's `token`"),
        (Mood::Dead, "cannot be read: the answer is no whole HTTP message", "does it speak HTTP/1.1 there?"),
        (Mood::Says("<html>"), "cannot be used", "is this the right URL?"),
    ] {
        let sickbed = Sickbed::new();
        sickbed.feeds.be(mood);
        let examined = sickbed.examine();
        let unwell = examined.unwell();
        assert_eq!((examined.status, unwell.len()), (1, 2), "{unwell:?}");
        for (found, check, subject) in [
            (&unwell[0], "revocations", sickbed.issuer.clone()),
            (&unwell[1], "role_directory", format!("http://{}/api/v1/role-directory", sickbed.feeds.address)),
        ] {
            assert_eq!([&*found[0], &found[1], &found[2]], [check, "failed", &subject]);
            assert!(found[3].contains(message) && found[4].contains(hint), "{found:?}");
        }
    }
}

/// An upstream as it is, and no TLS where it does not say so.
fn to_api(endpoint: &str, more: &str) -> Sickbed {
    Sickbed { to_api: format!("{{endpoints: ['{endpoint}']{more}}}"), ..Sickbed::new() }
}

#[test]
fn upstreams_that_cannot_be_reached() {
    let at = format!("http://{}", nobody());
    let message = format!("`{at}`: the upstream cannot be reached: Connection refused");
    to_api(&at, "").examine().assert_finds("upstream", "failed", "api", &message, "is it running");
    let hint = "may this user write to the socket?";
    to_api("unix:/nonexistent/socket", "").examine().assert_finds(
        "upstream",
        "failed",
        "api",
        "cannot be reached",
        hint,
    );
}

#[test]
fn upstreams_whose_tls_is_another() {
    let (sickbed, other) = (Sickbed::new(), Authority::new("others"));
    let api = sickbed.api.address;
    let start = |issued, clients| format!("https://{}", TlsFront::start(&issued, clients, api).address);
    let ours = &sickbed.authority;
    let require = "does it ask for a client's certificate?";
    for (name, endpoint, more, message, hint) in [
        ("untrusted", start(other.issue(&["127.0.0.1"]), None), "", "UnknownIssuer", "name the authority"),
        ("another name", start(ours.issue(&["api.test"]), None), "", "not valid for name", "`tls.server_name`"),
        ("expired", start(ours.issue_expired(&["127.0.0.1"]), None), "", "expired", "have it renewed"),
        ("no TLS", format!("https://{api}"), "", "tls handshake eof", "does it speak TLS there?"),
        (
            "ALPN",
            start(ours.issue(&["127.0.0.1"]), None),
            ", protocol: http2",
            "does not offer `h2` by ALPN",
            "remove `protocol: http2`",
        ),
        (
            "a certificate is asked for",
            start(ours.issue(&["127.0.0.1"]), Some(ours)),
            "",
            "CertificateRequired",
            require,
        ),
    ] {
        let of_case = to_api(&endpoint, &format!(", tls: {{ca: ca.pem}}{more}"));
        of_case.write("ca.pem", &ours.pem());
        let unwell = of_case.examine().unwell();
        let [found] = unwell.as_slice() else { panic!("{name}: {unwell:?}") };
        assert_eq!([&*found[0], &found[1], &found[2]], ["upstream", "failed", "api"], "{name}");
        assert!(found[3].contains(message) && found[4].contains(hint), "{name}: {found:?}");
    }
}

#[test]
fn upstreams_that_speak_http2_over_tls() {
    let (sickbed, http2) = (Sickbed::new(), Http2Upstream::echo());
    let issued = sickbed.authority.issue(&["127.0.0.1"]);
    let start = |clients| TlsFront::start_http2(&issued, clients, http2.address).address;
    let examine = |front| {
        let of_case = to_api(&format!("https://{front}"), ", protocol: http2, tls: {ca: ca.pem}");
        of_case.write("ca.pem", &sickbed.authority.pem());
        of_case.examine()
    };
    let well = examine(start(None));
    assert_eq!((well.status, well.unwell(), http2.taken().len()), (0, Vec::new(), 0));
    let hint = "does it ask for a client's certificate?";
    examine(start(Some(&sickbed.authority))).assert_finds("upstream", "failed", "api", "CertificateRequired", hint);
}

#[test]
fn upstreams_that_speak_something_else() {
    let banner = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", banner.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in banner.incoming().map_while(Result::ok) {
            let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    to_api(&at, "").examine().assert_finds(
        "upstream",
        "failed",
        "api",
        "speaks before it is asked",
        "is the port right?",
    );
    let http1 = Upstream::answering(|_| Answer::Close(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let (endpoint, message) = (format!("http://{}", http1.address), "does not speak the protocol");
    let hint = "does it speak HTTP/2?";
    to_api(&endpoint, ", protocol: http2").examine().assert_finds("upstream", "failed", "api", message, hint);
    let http2 = Http2Upstream::echo();
    let well = to_api(&http2.endpoint(), ", protocol: http2").examine();
    assert_eq!((well.status, well.unwell(), http2.taken().len()), (0, Vec::new(), 0));
}

#[test]
fn too_few_descriptors() {
    let sickbed =
        Sickbed { descriptors: Some(150), more: "limits: {connections: 5000}\nworkers: 1\n".into(), ..Sickbed::new() };
    let message = "of `limits.connections` (5000) no more than";
    sickbed.examine().assert_finds("descriptors", "warning", "hard limit 150", message, "`LimitNOFILE=`");
}
