//! An answer, and what it means in a sentence.

use std::net::SocketAddr;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::calls::Call;
use super::exchange::Answer;

/// A request to the API and what came back.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) call: Call,
    /// How many tokens the browser had been given by then.
    pub(super) given: usize,
    /// The token's number; `None` without one.
    pub(super) token: Option<usize>,
    pub(super) curl: String,
    pub(super) status: StatusCode,
    pub(super) challenge: Option<String>,
    /// The gateway's reason to refuse; `None` where the API answered.
    pub(super) reason: Option<String>,
    /// What it means, in a sentence.
    pub(super) meaning: String,
    pub(super) content: String,
}

/// A problem document (RFC 9457), the gateway's or the API's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    reason: Option<String>,
    detail: String,
}

impl Shown {
    /// Puts an answer into words.
    pub(super) fn new(call: Call, gateway: SocketAddr, token: Option<(usize, &str)>, answer: &Answer) -> Self {
        let is_problem = answer.field("content-type") == Some("application/problem+json");
        let problem: Problem = if is_problem { answer.json().unwrap_or_default() } else { Problem::default() };
        let meaning = match &problem.reason {
            Some(reason) => refused(reason, &problem.detail),
            None if is_problem => {
                format!("The gateway let it through, and a rule of the API’s own refused it: {}.", problem.detail)
            }
            None => granted(answer),
        };
        Self {
            call,
            given: 0,
            token: token.map(|(number, _)| number),
            curl: call.curl(gateway, token.map(|(_, text)| text)),
            status: answer.status,
            challenge: answer.field("www-authenticate").map(str::to_owned),
            reason: problem.reason,
            meaning,
            // Indented, for people to read; what is no JSON is shown as it came.
            content: answer.json::<Value>().map_or_else(|_| answer.text(), |value| format!("{value:#}")),
        }
    }
}

/// Why the gateway refused, with what this story has to say about it.
fn refused(reason: &str, detail: &str) -> String {
    match reason {
        "no_token" => "No token came along; the challenge names the scope to ask for.".to_owned(),
        "insufficient_scope" => {
            "The application was never given what this takes, whatever the person’s role; the challenge names the whole set to ask \
             for."
                .to_owned()
        }
        "role_ceiling" => "The token holds the scope, and no role of this person permits it: scopes limit, roles permit.".to_owned(),
        "client_ceiling" => "The token holds the scope, and the application may not use it, whoever uses the application.".to_owned(),
        "revoked" => "An approval that this token rests on was taken back, and the gateway has heard of it.".to_owned(),
        "expired" => "The token has ended.".to_owned(),
        _ => format!("The gateway refused it: {detail}."),
    }
}

/// What an answer of the API tells of the access that it was granted.
fn granted(answer: &Answer) -> String {
    let access = answer.json::<Value>().ok().and_then(|value| value.get("access")?.as_str().map(str::to_owned));
    match access.as_deref() {
        Some("admin") => "The gateway told the API “Scopegate-Access: admin”: it answered for the whole tenant.".to_owned(),
        Some("user") => {
            "The gateway told the API “Scopegate-Access: user”: it answered with what this person owns, and what lies in their spaces."
                .to_owned()
        }
        _ if answer.status.is_success() => "The gateway let it through, and the API did it.".to_owned(),
        _ => "The gateway let it through; this is the API’s own answer.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use http::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    #[test]
    fn an_answer_is_the_gateways_or_the_apis() {
        for (status, problem, content, reason, meaning) in [
            (401, true, r#"{"reason": "no_token"}"#, Some("no_token"), "No token came along"),
            (403, true, r#"{"reason": "role_ceiling"}"#, Some("role_ceiling"), "scopes limit, roles permit"),
            (404, true, r#"{"reason": "no_route", "detail": "no such route"}"#, Some("no_route"), "no such route."),
            (404, true, r#"{"detail": "there is no such row"}"#, None, "API’s own refused it: there is no such row."),
            (200, false, r#"{"access": "admin"}"#, None, "“Scopegate-Access: admin”"),
            (200, false, r#"{"access": "user"}"#, None, "“Scopegate-Access: user”"),
            (201, false, r#"{"id": 1}"#, None, "the API did it"),
            (502, false, "", None, "the API’s own answer"),
        ] {
            let kind = if problem { "application/problem+json" } else { "application/json" };
            let fields = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = Answer { status, fields, content: Bytes::from_static(content.as_bytes()) };
            let gateway = "127.0.0.1:1".parse().expect("an address");
            let shown = Shown::new(Call::List, gateway, None, &answer);
            assert_eq!(shown.reason.as_deref(), reason, "{content}");
            assert!(shown.meaning.contains(meaning), "{content}: {}", shown.meaning);
        }
    }
}
