//! What a person is shown when a page cannot do what is asked.

use std::time::Duration;

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::authorization_fault::ShownFault;
use super::fault::NoRandomness;
use super::{page, page_events};
use crate::pages::{Link, MessagePage};
use crate::store::StoreFault;

/// Why a page cannot do what is asked. No text holds anything that was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageFault {
    /// An authorization request that nobody can be sent back with.
    #[error("the authorization request has no client or redirect URI that is known")]
    Request(ShownFault),
    /// What was sent is no form of ours.
    #[error("the form cannot be read")]
    Form,
    /// A form of another site, or of a session that has ended.
    #[error("the form was not sent from a page of this session")]
    Foreign,
    /// Nothing is at this address.
    #[error("there is no page at this address")]
    NotFound,
    /// The page is there, and takes no such method.
    #[error("the page takes no such method")]
    Method,
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreFault),
    /// The machine.
    #[error("the machine gives no randomness")]
    NoRandomness(#[from] NoRandomness),
    /// The page or a field of its response.
    #[error("the page could not be written")]
    Unwritable,
}

impl PageFault {
    fn status(&self) -> StatusCode {
        match self {
            Self::Request(_) | Self::Form => StatusCode::BAD_REQUEST,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Store(_) | Self::NoRandomness(_) | Self::Unwritable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What it is called, what happened, and what the reader can do.
    fn words(&self) -> (&'static str, String, &'static str) {
        const BACK: &str = "Go back to the application and begin again there. If that does not help, tell those who run the application.";
        match self {
            Self::Request(ShownFault::Malformed) => {
                ("This link is damaged", "The application sent you here with a request that cannot be read.".to_owned(), BACK)
            }
            Self::Request(ShownFault::UnknownClient) => (
                "This application is not known here",
                "The application that sent you here is not registered, so it can get no access.".to_owned(),
                BACK,
            ),
            Self::Request(ShownFault::RedirectUri) => (
                "This application is not set up correctly",
                "It wants to be answered at an address that is not registered for it. So that nobody else gets the answer, you are not sent there.".to_owned(),
                BACK,
            ),
            Self::Form => (
                "This form cannot be read",
                "What arrived is not what the page would send.".to_owned(),
                "Go back, load the page again, and try once more.",
            ),
            Self::Foreign => (
                "This page was too old",
                "You have logged out or logged in since it was opened, or it was not sent from here. Nothing was changed.".to_owned(),
                "Open the page again, and try once more.",
            ),
            Self::NotFound => {
                ("There is no such page", "Nothing is at this address.".to_owned(), "Check the address, or begin at the overview.")
            }
            Self::Method => (
                "There is nothing to see here",
                "This address takes what a form sends, and shows nothing by itself.".to_owned(),
                "Begin at the overview.",
            ),
            Self::Store(_) | Self::NoRandomness(_) | Self::Unwritable => (
                "Something went wrong here",
                "The server could not do what you asked. It was not your fault, and nothing was changed.".to_owned(),
                "Try again in a few minutes. If it stays so, tell those who run this server.",
            ),
        }
    }
}

/// A time in words, rounded up.
pub(super) fn waiting(time: Duration) -> String {
    match time.as_secs() + u64::from(time.subsec_nanos() > 0) {
        0 | 1 => "a second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds if seconds <= 5_400 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3_600)),
    }
}

/// The `Retry-After` field for a time.
pub(super) fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

impl IntoResponse for PageFault {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            page_events::not_shown(&self);
        }
        let (title, what, advice) = self.words();
        // Who was sent here by an application has nothing to do at the overview.
        let link = (!matches!(self, Self::Request(_))).then_some(Link { address: "/".to_owned(), text: "Overview" });
        let message =
            MessagePage { title: title.to_owned(), what, advice: advice.to_owned(), link, code: Some(status.as_u16()) };
        let mut response = page::page(status, &message, None).unwrap_or_else(|_| status.into_response());
        match self {
            // RFC 9110 §15.5.6.
            Self::Method => drop(response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"))),
            Self::Request(_)
            | Self::Form
            | Self::Foreign
            | Self::NotFound
            | Self::Store(_)
            | Self::NoRandomness(_)
            | Self::Unwritable => {}
        }
        response
    }
}

/// Answers GET where only a form leads.
pub(super) async fn no_page() -> PageFault {
    PageFault::Method
}
