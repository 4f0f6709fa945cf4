//! The requests that the page offers to send to the API.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};

use super::people::{COLLEAGUES_ROW, SHARED_ROW};

/// A request to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The automations that may be seen.
    List,
    /// Somebody else's, in no space.
    Colleagues,
    /// Somebody else's, in a space.
    Rename,
    /// A new one.
    Create,
    /// The tenant's figures.
    Usage,
}

impl Call {
    /// Every one, in the order in which they are offered.
    pub(super) const ALL: [Self; 5] = [Self::List, Self::Colleagues, Self::Rename, Self::Create, Self::Usage];

    /// How a form names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Colleagues => "colleagues",
            Self::Rename => "rename",
            Self::Create => "create",
            Self::Usage => "usage",
        }
    }

    /// Reads what [`Call::name`] writes.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }

    /// What a person would call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::List => "List automations",
            Self::Colleagues => "Read Ben’s payroll",
            Self::Rename => "Rename Ben’s campaign mail",
            Self::Create => "Create an automation",
            Self::Usage => "Read the tenant’s usage",
        }
    }

    /// What is to be seen by it.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::List => "The same request for everybody: the rows follow the access that the gateway granted",
            Self::Colleagues => "Ben’s alone, in no space: to others it is not there",
            Self::Rename => "It lies in the space Marketing, which Ada may see and not change: a rule of the API’s own",
            Self::Create => "Needs more than seeing",
            Self::Usage => "The route has an admin side only",
        }
    }

    pub(super) fn method(self) -> Method {
        match self {
            Self::List | Self::Colleagues | Self::Usage => Method::GET,
            Self::Rename => Method::PUT,
            Self::Create => Method::POST,
        }
    }

    pub(super) fn path(self) -> String {
        match self {
            Self::List | Self::Create => "/api/v1/automations".to_owned(),
            Self::Colleagues => format!("/api/v1/automations/{COLLEAGUES_ROW}"),
            Self::Rename => format!("/api/v1/automations/{SHARED_ROW}"),
            Self::Usage => "/api/v1/automations/usage".to_owned(),
        }
    }

    fn content(self) -> Option<&'static str> {
        match self {
            Self::List | Self::Colleagues | Self::Usage => None,
            Self::Rename => Some(r#"{"name": "Campaign mail, renamed"}"#),
            Self::Create => Some(r#"{"name": "Weekly digest"}"#),
        }
    }

    /// The request to the gateway, by a token or by none.
    ///
    /// # Errors
    ///
    /// [`http::Error`] for a token that no field can hold.
    pub(super) fn request(self, gateway: SocketAddr, token: Option<&str>) -> Result<Request<String>, http::Error> {
        let mut request = Request::builder().method(self.method()).uri(format!("http://{gateway}{}", self.path()));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if self.content().is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(self.content().unwrap_or_default().to_owned())
    }

    /// The same for a terminal.
    pub(super) fn curl(self, gateway: SocketAddr, token: Option<&str>) -> String {
        let mut line = format!("curl -i http://{gateway}{}", self.path());
        if let Some(token) = token {
            line += &format!(" -H 'Authorization: Bearer {token}'");
        }
        if let Some(content) = self.content() {
            line += &format!(" -X {} -H 'Content-Type: application/json' -d '{content}'", self.method());
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_by_its_name_and_written_alike_for_both() {
        let gateway: SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        for call in Call::ALL {
            assert_eq!(Call::parse(call.name()), Some(call));
            let request = call.request(gateway, Some("t")).expect("a request");
            let line = call.curl(gateway, Some("t"));
            assert!(line.contains(&request.uri().to_string()) && line.contains("'Authorization: Bearer t'"), "{line}");
            assert!(line.contains(request.body()), "{line}");
        }
        assert_eq!(Call::parse("delete everything"), None);
    }
}
