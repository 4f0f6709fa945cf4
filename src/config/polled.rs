//! What is asked for every few seconds: revocation feeds and the role directory.

use crate::net::{Credentials, Polled};

use super::addresses::{check_scheme, url};
use super::faults::Fault;
use super::read::Fields;
use super::secrets::Folder;

/// Reads a section with `url`, `token`, `interval`, `max_stale`, `timeout`, `ca` and `insecure_http`.
///
/// `danger` says what whoever is in between can do where the address is plain http.
pub(super) fn read(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, danger: &str) -> Option<Polled> {
    let url = url(fields, "url", "https://idp.example.com/feed");
    let token = fields.node("token").and_then(|node| folder.secret(fields, "token", node));
    let ca = fields.node("ca").map(|_| folder.file(fields, "ca"));
    let (interval, max_stale) = (fields.duration("interval"), fields.duration("max_stale"));
    let (timeout, insecure) = (fields.duration("timeout"), fields.boolean("insecure_http"));
    if let Some(url) = &url {
        check_scheme(fields, "url", url, insecure, danger);
    }
    if max_stale < interval && max_stale.is_some() {
        let message = fields.subject.say("max_stale", "is shorter than `interval`");
        let written = if fields.node("max_stale").is_some() { "max_stale" } else { "interval" };
        let fault = Fault::error(fields.place_of(written), message);
        fields.faults.push(fault.hint("an answer would be stale before it is asked for again"));
    }
    Some(Polled {
        url: url?.value,
        interval: interval?,
        max_stale: max_stale?,
        timeout: timeout?,
        ca: ca.flatten(),
        credentials: Credentials::new(&format!("Bearer {}", token?))?,
    })
}
