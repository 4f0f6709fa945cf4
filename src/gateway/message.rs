//! What the fields of a request have to say to the gateway itself, read in one pass.

use http::HeaderValue;
use http::header::EXPECT;
use http::request::Parts;

use crate::gateway::exchange::REQUEST_ID;
use crate::policy::Screening;

/// What one pass over the fields has found.
#[derive(Debug)]
pub(super) struct Message<'f> {
    pub(super) screening: Screening<'f>,
    /// The peer's name for the request, to be looked at.
    pub(super) request_id: Option<&'f HeaderValue>,
    /// RFC 9110 §10.1.1: content comes when it has been asked for.
    pub(super) awaits_leave: bool,
}

impl<'f> Message<'f> {
    pub(super) fn read(parts: &'f Parts) -> Self {
        let screening = Screening::begin(&parts.method, parts.version);
        let mut message = Self { screening, request_id: None, awaits_leave: false };
        for (name, value) in &parts.headers {
            message.screening.see(name, value);
            if *name == REQUEST_ID {
                message.request_id = message.request_id.or(Some(value));
            } else if *name == EXPECT {
                message.awaits_leave = true;
            }
        }
        message
    }
}
