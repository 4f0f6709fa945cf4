//! What is asked for every few seconds: revocation feeds and the role directory.

use std::time::Duration;

use http::{StatusCode, Uri};

use super::files::counted;
use super::finding::{Check, Finding};
use crate::net::{FetchFault, Fetcher, Polled};
use crate::policy::RoleDirectory;
use crate::token::RevocationPage;

/// Asks for the beginning of an issuer's feed.
pub(super) async fn revocations(issuer: &str, feed: &Polled, timeout: Duration) -> Finding {
    let check = Check::Revocations;
    match ask(feed, timeout).await {
        Err(fault) => faulty(check, issuer, &feed.url, &fault),
        Ok(text) => match RevocationPage::read(&text, issuer) {
            Ok(page) => {
                let (entries, more) = (page.entries.len(), if page.more { " and more" } else { "" });
                Finding::ok(check, issuer, format!("`{}` answers: {entries} revoked{more}", plain(&feed.url)))
            }
            Err(fault) => no_document(check, issuer, &feed.url, &fault.to_string()),
        },
    }
}

/// Asks for the role directory.
pub(super) async fn role_directory(directory: &Polled, timeout: Duration) -> Finding {
    let (check, url) = (Check::RoleDirectory, plain(&directory.url));
    match ask(directory, timeout).await {
        Err(fault) => faulty(check, &url, &directory.url, &fault),
        Ok(text) => match RoleDirectory::read(&text) {
            Ok(read) => Finding::ok(check, url, format!("answers: {}", counted(read.len(), "role"))),
            Err(fault) => no_document(check, &url, &directory.url, &fault.to_string()),
        },
    }
}

async fn ask(polled: &Polled, timeout: Duration) -> Result<bytes::Bytes, FetchFault> {
    let polled = Polled { timeout: polled.timeout.min(timeout), ..polled.clone() };
    polled.ask(&Fetcher::default(), None).await.map(|answer| answer.body)
}

fn faulty(check: Check, subject: &str, url: &Uri, fault: &FetchFault) -> Finding {
    let message = format!("`{}` cannot be read: {}", plain(url), fault.in_one_line());
    let is_refused = matches!(fault, FetchFault::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN));
    let of_token = "it does not take the gateway's `token`: is it the one that the server expects?";
    let hint = if is_refused { Some(of_token) } else { fault.hint() };
    Finding::failed(check, subject, message).hint_if(hint)
}

fn no_document(check: Check, subject: &str, url: &Uri, fault: &str) -> Finding {
    let message = format!("what `{}` answers cannot be used: {fault}", plain(url));
    Finding::failed(check, subject, message).hint("is this the right URL?")
}

/// A URL without what may be secret in it: credentials and query.
pub(super) fn plain(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}{}", url.scheme_str().unwrap_or("http"), url.path())
}
