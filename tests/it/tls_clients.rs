//! Certificates of clients: none, requested, required; and sessions of theirs.

use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Authority, Gateway, Issued, Setup, Upstream, eventually, now, s_client};

const CERTIFICATES: &str = "certificates: [{chain: tls/api.pem, key: tls/api.key}]";

struct Clients {
    gateway: Gateway,
    authority: Authority,
}

/// A gateway that asks clients in the way `asked` for certificates of `clients`.
fn clients(asked: &str) -> Clients {
    let (servers, authority) = (Authority::new("servers"), Authority::new("clients"));
    let setup = Setup {
        tls: format!("{{{CERTIFICATES}, client_ca: clients.pem, client_certificate: {asked}}}"),
        certificates: vec![("api", servers.issue(&["api.test"]))],
        files: vec![("clients.pem", authority.pem())],
        ..Setup::default()
    };
    Clients { gateway: setup.start(&Upstream::echo()), authority }
}

impl Clients {
    /// Whether a client with this certificate is let in.
    fn lets_in(&self, certificate: Option<&Issued>, version: &str) -> bool {
        let Some(certificate) = certificate else { return s_client(self.gateway.address, &[version]).is_answered() };
        let folder = self.gateway.folder.path();
        certificate.write(folder, "client");
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let options = [version, "-cert", &path("client.pem"), "-key", &path("client.key")];
        s_client(self.gateway.address, &options).is_answered()
    }

    fn refusals(&self) -> f64 {
        self.gateway.metric("scopegate_connection_errors_total", &["kind=\"tls\""])
    }
}

#[test]
fn a_certificate_that_is_required_must_be_there_and_good() {
    let clients = clients("require");
    let good = clients.authority.issue(&["client"]);
    let foreign = Authority::new("foreigners").issue(&["client"]);
    let expired = clients.authority.issue_expired(&["client"]);
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(clients.lets_in(Some(&good), version), "{version}");
        let before = clients.refusals();
        for (name, bad) in [("none", None), ("foreign", Some(&foreign)), ("expired", Some(&expired))] {
            assert!(!clients.lets_in(bad, version), "{version}: {name}");
        }
        assert_eq!(clients.refusals() - before, 3.0, "{version}");
    }
}

#[test]
fn a_certificate_that_is_requested_may_be_lacking_but_not_bad() {
    let clients = clients("request");
    let good = clients.authority.issue(&["client"]);
    let foreign = Authority::new("foreigners").issue(&["client"]);
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(clients.lets_in(None, version), "{version}");
        assert!(clients.lets_in(Some(&good), version), "{version}");
        assert!(!clients.lets_in(Some(&foreign), version), "{version}");
    }
}

#[test]
fn a_session_does_not_outlive_the_authority_that_let_it_in() {
    let clients = clients("require");
    let folder = clients.gateway.folder.path();
    clients.authority.issue(&["client"]).write(folder, "client");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key, session) = (path("client.pem"), path("client.key"), path("session"));
    for version in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-no_ticket"]] {
        let with = |option: &str| {
            s_client(
                clients.gateway.address,
                &[version, &["-cert", &certificate, "-key", &key, option, &session]].concat(),
            )
        };
        clients.gateway.write("clients.pem", &clients.authority.pem());
        assert_eq!(clients.gateway.ask("POST", "/reload").status, 200);
        assert!(with("-sess_out").is_answered());
        assert!(with("-sess_in").0.contains("Reused, TLS"), "{version:?}: the session is good");
        clients.gateway.write("clients.pem", &Authority::new("others").pem());
        assert_eq!(clients.gateway.ask("POST", "/reload").status, 200);
        let refused = with("-sess_in");
        assert!(!refused.is_answered() && !refused.0.contains("Reused, TLS"), "{version:?}: {}", refused.0);
    }
}

#[test]
fn a_session_does_not_outlive_its_certificate() {
    let clients = clients("require");
    let folder = clients.gateway.folder.path();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key, session) = (path("client.pem"), path("client.key"), path("session"));
    let brief = clients.authority.issue_with(&["client"], |params| {
        params.not_after = (UNIX_EPOCH + Duration::from_secs(now() + 8)).into();
    });
    brief.write(folder, "client");
    let with = |option: &str| {
        s_client(clients.gateway.address, &["-tls1_3", "-cert", &certificate, "-key", &key, option, &session])
    };
    assert!(with("-sess_out").is_answered());
    eventually("the certificate expires", || {
        let again = with("-sess_in");
        assert!(again.0.contains("Reused, TLS"), "{}", again.0);
        (!again.is_answered()).then_some(())
    });
}
