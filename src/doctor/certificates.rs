//! Certificates that the gateway shows: to its peers, and to upstreams that ask for one.

use http::Uri;

use super::finding::{Check, Finding};
use crate::clock::Clock;
use crate::config::Gateway;
use crate::gateway::ListenerSettings;
use crate::net::{Certificate, CertificateDoubt};

const DAY: i64 = 86_400;
/// Fewer days are a warning, as they are an alert.
const SOON: i64 = 14;

/// Whom a certificate is shown to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    ToPeers,
    ToAnUpstream,
}

/// Looks at every certificate.
pub(super) fn examine(gateway: &Gateway, clock: &Clock) -> Vec<Finding> {
    let now = i64::try_from(clock.now().as_secs()).unwrap_or(i64::MAX);
    let listeners = &gateway.listeners;
    let of_listeners = listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(|tls| tls.certificates());
    let mut findings: Vec<_> =
        of_listeners.map(|certificate| of_certificate(certificate, Shown::ToPeers, now)).collect();
    let upstreams = gateway.upstreams.iter().filter_map(|upstream| upstream.tls.as_ref()?.certificate());
    findings.extend(upstreams.map(|certificate| of_certificate(certificate, Shown::ToAnUpstream, now)));
    findings.extend(listeners.iter().filter_map(uncovered));
    findings
}

fn of_certificate(certificate: &Certificate, shown: Shown, now: i64) -> Finding {
    let subject = certificate.label();
    let doubts = certificate.doubts(now);
    let doubt = doubts.iter().find(|doubt| shown == Shown::ToPeers || **doubt != CertificateDoubt::Nameless);
    let names = names(certificate, shown);
    let (failed, warning) = (Finding::failed, Finding::warning);
    let (finding, message, hint): (fn(_, _, _) -> _, _, _) = match doubt {
        Some(CertificateDoubt::Expired(day)) => {
            (failed, format!("expired on {day}{names}"), "others refuse it: have it renewed; it is taken up by itself")
        }
        Some(CertificateDoubt::NotYetValid(day)) => {
            (failed, format!("is not valid before {day}{names}"), "others refuse it; is the clock right?")
        }
        Some(CertificateDoubt::Disordered(number)) => {
            let message = format!("has a certificate (number {number}) that the next one did not issue{names}");
            (warning, message, "write each one's issuer after it")
        }
        Some(CertificateDoubt::Nameless) => {
            (warning, "names no host".to_owned(), "clients look for the host in `subjectAltName`, and nowhere else")
        }
        None => return of_days(certificate, (certificate.expires() - now) / DAY, &names),
    };
    finding(Check::Certificate, subject, message).hint(hint)
}

fn of_days(certificate: &Certificate, days: i64, names: &str) -> Finding {
    let message = format!("expires on {}, in {days} days{names}", certificate.expires_on());
    if days < SOON {
        let hint = "have it renewed: the gateway takes up the new file by itself";
        return Finding::warning(Check::Certificate, certificate.label(), message).hint(hint);
    }
    Finding::ok(Check::Certificate, certificate.label(), message)
}

/// `; for `a.test`, `b.test``.
fn names(certificate: &Certificate, shown: Shown) -> String {
    match (certificate.names(), shown) {
        ([], Shown::ToPeers) => "; for addresses alone".to_owned(),
        ([], Shown::ToAnUpstream) => String::new(),
        (names, _) => format!("; for `{}`", names.join("`, `")),
    }
}

/// A listener whose clients are told of a name that none of its certificates has.
fn uncovered(listener: &ListenerSettings) -> Option<Finding> {
    let host = listener.public_url.as_ref().and_then(Uri::host)?;
    let tls = listener.tls.as_ref()?;
    let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    if is_address || tls.certificates().any(|certificate| certificate.is_for(host)) {
        return None;
    }
    let message = format!("no certificate is for `{host}`, which `public_url` says that clients ask for");
    let hint = "add a certificate for it, or mend `public_url`";
    Some(Finding::warning(Check::Certificate, listener.address.to_string(), message).hint(hint))
}
