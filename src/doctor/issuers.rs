//! Issuers: whether their keys can be had and used, their clocks agree with ours, and they answer about tokens.

use std::time::Duration;

use http::{StatusCode, Uri};

use super::files::counted;
use super::finding::{Check, Finding};
use super::polled;
use super::polled::plain;
use crate::clock::Clock;
use crate::net::FetchFault;
use crate::token::{Algorithm, JwkSet, KeyId, MetadataFault};
use crate::verify::{
    DiscoveryFault, Inquiry, IntrospectionInquiryFault, IntrospectionSettings, IssuerSettings, KeysFault, KeysTold,
};

/// Asks one issuer all that the gateway asks it.
pub(super) async fn examine(settings: &IssuerSettings, clock: &Clock, timeout: Duration) -> Vec<Finding> {
    let name = settings.rules.issuer.as_str();
    let inquiry = Inquiry { settings, clock, timeout };
    let keys_and_introspection = async {
        let told = inquiry.keys().await;
        let mut findings = match &told {
            Ok(told) => [Some(of_keys(settings, told)), of_clock(settings, told)].into_iter().flatten().collect(),
            Err(fault) => vec![of_fault(name, fault)],
        };
        if let Some(asked) = &settings.introspection {
            findings.push(of_introspection(&inquiry, asked, told.as_ref().ok()).await);
        }
        findings
    };
    let revocations = async {
        match &settings.revocations {
            Some(revocations) => Some(polled::revocations(name, &revocations.feed, timeout).await),
            None => None,
        }
    };
    let (mut findings, revocations) = tokio::join!(keys_and_introspection, revocations);
    findings.extend(revocations);
    findings
}

fn of_keys(settings: &IssuerSettings, told: &KeysTold) -> Finding {
    let (name, from) = (
        settings.rules.issuer.as_str(),
        told.url.as_ref().map_or("the key file".to_owned(), |url| format!("`{}`", plain(url))),
    );
    let KeysTold { keys: JwkSet { keys, skipped }, .. } = told;
    if keys.is_empty() {
        let why = skipped.first().map(|key| format!(": the first was left out because {}", key.fault));
        let message = format!("{from} has no key that can be used{}", why.unwrap_or_default());
        return Finding::failed(Check::Keys, name, message)
            .hint("every token of this issuer is refused until it has one");
    }
    let offered: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| keys.iter().any(|key| key.fits(*algorithm, &KeyId::Absent)))
        .collect();
    let taken: Vec<_> =
        offered.iter().copied().filter(|algorithm| settings.rules.algorithms.contains(algorithm)).collect();
    if taken.is_empty() {
        let message = format!(
            "{from} has {}, for {}, and `algorithms` takes {} alone",
            counted(keys.len(), "key"),
            listed(&offered),
            listed(&settings.rules.algorithms)
        );
        let hint = "every token of this issuer is refused: add to `algorithms` what the issuer signs with";
        return Finding::failed(Check::Keys, name, message).hint(hint);
    }
    let left_out = match skipped.len() {
        0 => String::new(),
        count => format!("; {count} more cannot be used"),
    };
    Finding::ok(
        Check::Keys,
        name,
        format!("{from} has {} for {}{left_out}", counted(keys.len(), "key"), listed(&taken)),
    )
}

fn listed(algorithms: &[Algorithm]) -> String {
    algorithms.iter().map(|algorithm| format!("`{algorithm}`")).collect::<Vec<_>>().join(", ")
}

/// Times in tokens are by the issuer's clock, and compared with ours.
fn of_clock(settings: &IssuerSettings, told: &KeysTold) -> Option<Finding> {
    told.url.as_ref()?;
    let (name, leeway) = (settings.rules.issuer.as_str(), settings.rules.leeway.as_secs());
    let Some(ahead) = told.ahead else {
        return Some(Finding::skipped(Check::Clock, name, "its answers have no `Date`"));
    };
    let off = ahead.unsigned_abs();
    let message = match (off, ahead > 0) {
        (0, _) => "this machine's clock agrees with the issuer's".to_owned(),
        (off, true) => format!("this machine's clock is {off} seconds behind the issuer's, with a leeway of {leeway}"),
        (off, false) => {
            format!("this machine's clock is {off} seconds ahead of the issuer's, with a leeway of {leeway}")
        }
    };
    if off > leeway {
        let harm = if ahead > 0 {
            "new tokens are refused as not valid yet"
        } else {
            "tokens are refused that long before they expire"
        };
        return Some(
            Finding::failed(Check::Clock, name, message).hint(format!("{harm}: does NTP run, here and there?")),
        );
    }
    if off > leeway / 2 {
        return Some(Finding::warning(Check::Clock, name, message).hint("does NTP run, here and there?"));
    }
    Some(Finding::ok(Check::Clock, name, message))
}

fn of_fault(name: &str, fault: &KeysFault) -> Finding {
    let cause = |fault: &FetchFault| fault.in_one_line();
    let (message, hint) = match fault {
        KeysFault::File(source) => (format!("{fault}: {source}"), Some("may this user read it?")),
        KeysFault::Fetch(url, source) => {
            (format!("its keys cannot be had from `{}`: {}", plain(url), cause(source)), source.hint())
        }
        KeysFault::NotASet(source) => (
            format!("{fault}: {source}"),
            Some("is this the right URL or file? a key set is a JSON object with `keys`"),
        ),
        KeysFault::Metadata(DiscoveryFault::Fetch(source)) => {
            (format!("its metadata cannot be had: {}", cause(source)), Some(metadata_hint(source)))
        }
        KeysFault::Metadata(source @ DiscoveryFault::Metadata(MetadataFault::OtherIssuer)) => {
            (format!("{fault}: {source}"), Some("write `issuer` exactly as its metadata does, to the last `/`"))
        }
        KeysFault::Metadata(source @ DiscoveryFault::Metadata(MetadataFault::Unreadable)) => {
            (format!("{fault}: {source}"), Some("has it any? otherwise write `keys: {url: …}`"))
        }
        KeysFault::Metadata(source @ (DiscoveryFault::Issuer | DiscoveryFault::Address(_))) => {
            (format!("{fault}: {source}"), Some("write `keys: {url: …}`, or have the issuer's metadata mended"))
        }
    };
    Finding::failed(Check::Keys, name, message).hint_if(hint)
}

fn metadata_hint(fault: &FetchFault) -> &'static str {
    if let FetchFault::Status(_) = fault {
        return "has it any (RFC 8414, OpenID Connect Discovery)? otherwise write `keys: {url: …}`";
    }
    fault.hint().unwrap_or("write `keys: {url: …}` if it has none")
}

/// `told` is what the issuer said of its keys, if it said anything.
async fn of_introspection(inquiry: &Inquiry<'_>, asked: &IntrospectionSettings, told: Option<&KeysTold>) -> Finding {
    let (check, name) = (Check::Introspection, inquiry.settings.rules.issuer.as_str());
    let endpoint: Option<&Uri> = asked.url.as_ref().or_else(|| told?.introspection.as_ref());
    let Some(endpoint) = endpoint else {
        return match told {
            None => Finding::skipped(check, name, "nobody knows where to ask: its metadata could not be had"),
            Some(_) => {
                let message = "its metadata names no introspection endpoint";
                Finding::failed(check, name, message).hint("write `introspection: {url: …}`")
            }
        };
    };
    let at = plain(endpoint);
    match inquiry.introspection(endpoint).await {
        Ok(()) => Finding::ok(
            check,
            name,
            format!("`{at}` takes the credentials, and a token that nobody issued is not active"),
        ),
        Err(IntrospectionInquiryFault::Fetch(fault)) => {
            let message = format!("`{at}` cannot be asked: {}", fault.in_one_line());
            Finding::failed(check, name, message).hint_if(introspection_hint(&fault))
        }
        Err(fault @ IntrospectionInquiryFault::Active) => Finding::failed(check, name, format!("`{at}`: {fault}"))
            .hint("do not trust it: whoever shows anything comes in"),
        Err(fault @ (IntrospectionInquiryFault::Unreadable | IntrospectionInquiryFault::Unsigned)) => {
            Finding::failed(check, name, format!("`{at}`: {fault}")).hint("is this the right URL (RFC 7662)?")
        }
    }
}

fn introspection_hint(fault: &FetchFault) -> Option<&'static str> {
    // RFC 6749 §5.2: `invalid_client` is 400 or 401.
    if let FetchFault::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) = fault {
        return Some(
            "it does not take the gateway's credentials: are `client_id` and the secret or key those that it knows, and may this \
             client introspect?",
        );
    }
    fault.hint()
}
