//! URLs that the gateway fetches from, and whether nobody in between can change what comes.

use http::Uri;

use crate::net::is_loopback;

use super::faults::Fault;
use super::paths;
use super::read::Fields;
use super::scalars::Wrong;
use super::source::Placed;

/// The URL that a key holds; `example` shows what one looks like.
pub(super) fn url(fields: &Fields<'_, '_>, name: &str, example: &str) -> Option<Placed<Uri>> {
    fields.parsed(name, |scalar| {
        paths::absolute(scalar.text).ok_or_else(|| Wrong::expected(format!("a URL such as `{example}`")))
    })
}

/// Refuses plain http beyond this machine, or warns of the `harm` where `insecure_http` allows it.
pub(super) fn check_scheme(fields: &Fields<'_, '_>, name: &str, url: &Placed<Uri>, insecure: bool, harm: &str) {
    let exposed = url.value.scheme_str() == Some("http") && !is_loopback(&url.value);
    match (exposed, insecure) {
        (true, false) => {
            let hint = "write `https://`, or beside it `insecure_http: true` if nobody is in between";
            fields.refuse(url.place, name, "is http beyond loopback", Some(hint.to_owned()));
        }
        (true, true) => {
            let message = fields.subject.say(name, format_args!("is http beyond loopback: {harm}"));
            fields.faults.push(Fault::warning(url.place, message));
        }
        (false, _) => {}
    }
}
