//! Runs the `tests:` of the policy files against the compiled table.

use http::{HeaderValue, Method, Uri};

use crate::policy::{self, Access, Decision, Presented, PresentedClient, Reason, RouteTable};

use super::faults::{Fault, Faults};
use super::raw_policy::{Expectation, RawPolicy, RawTest, RawToken};
use super::source::Placed;
use super::suggest::did_you_mean;

/// The host of a request that names none: reserved, so no route can have it (RFC 6761 §6.4).
const NO_HOST: &str = "host.invalid";

/// A test that can be run.
struct Case<'n> {
    raw: &'n RawTest<'n>,
    method: Method,
    uri: Uri,
    host: HeaderValue,
    expected: Outcome,
}

/// What a request comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Allow(Access),
    Deny(Reason),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allow(access) => write!(text, "allow `{}`", access.as_str()),
            Self::Deny(reason) => write!(text, "deny `{}`", reason.as_str()),
        }
    }
}

/// Checks every test as it is written; what is wrong with one is a fault whether or not there is a table.
///
/// `issuers` are those of the gateway file, if there is one.
pub(super) fn compile<'n>(policies: &'n [RawPolicy<'n>], issuers: Option<&[String]>, faults: &Faults) -> Cases<'n> {
    let tests = policies.iter().flat_map(|policy| &policy.tests);
    Cases { list: tests.filter_map(|raw| Case::compile(raw, issuers, faults)).collect() }
}

/// The tests of all policy files.
pub(super) struct Cases<'n> {
    list: Vec<Case<'n>>,
}

impl Cases<'_> {
    /// Runs them all; each that fails is a fault. Returns how many passed.
    pub(super) fn run(&self, table: &RouteTable, failed: &Faults) -> usize {
        let runs = self.list.iter().map(|case| case.run(table));
        runs.map(|run| run.map_err(|fault| failed.push(fault))).filter(Result::is_ok).count()
    }
}

impl<'n> Case<'n> {
    fn compile(raw: &'n RawTest<'n>, issuers: Option<&[String]>, faults: &Faults) -> Option<Self> {
        let request = parse_request(raw.request.value);
        if let Err((what, hint)) = &request {
            let message = format!("test `{}`: `request` {what}", raw.name.value);
            faults.push(Fault::error(raw.request.place, message).hint(*hint));
        }
        if let Some(token) = &raw.token {
            check_issuer(raw, token, issuers, faults);
        }
        let expected = parse_expectation(raw, faults);
        let (method, uri, host) = request.ok()?;
        Some(Self { raw, method, uri, host, expected: expected? })
    }

    fn run(&self, table: &RouteTable) -> Result<(), Fault> {
        let presented = self.raw.token.as_ref().map(present);
        let decision = policy::decide_request(table, &self.method, &self.uri, &self.host, presented.as_ref());
        let found = match decision {
            Decision::Forward(grant) => Outcome::Allow(grant.access()),
            Decision::Deny(denial) => Outcome::Deny(denial.reason()),
        };
        if found == self.expected {
            return Ok(());
        }
        let message = format!("test `{}`: expected {}, got {found}", self.raw.name.value, self.expected);
        let hint = format!("`scopegate explain {}` shows why", self.raw.request.value);
        Err(Fault::error(self.raw.expect.place, message).related(self.raw.request.place, "the request").hint(hint))
    }
}

fn present<'n>(token: &'n RawToken<'n>) -> Presented<'n> {
    Presented {
        scope: token.scope,
        roles: token.roles.iter().map(|role| role.value.as_str()).collect(),
        client: token.client.map_or(PresentedClient::Unlimited, PresentedClient::Named),
        alone: token.subject.is_some() && token.subject == token.client,
    }
}

/// Method, target in origin form, and `Host`.
fn parse_request(text: &str) -> Result<(Method, Uri, HeaderValue), (&'static str, &'static str)> {
    const FORM: &str = "write `GET /path` or `GET https://api.example.com/path`";
    let (method, target) = text.split_once(' ').ok_or(("must be a method and a target", FORM))?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| ("does not begin with a method", FORM))?;
    if target.starts_with('/') {
        let uri = target.parse().map_err(|_| ("has a target that is no path", FORM))?;
        return Ok((method, uri, HeaderValue::from_static(NO_HOST)));
    }
    let uri: Uri = super::paths::absolute(target).ok_or(("has a target that is neither path nor URL", FORM))?;
    let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).parse();
    match (path, host) {
        (Ok(path), Some(host)) => Ok((method, path, host)),
        _ => Err(("has a target that is no URL", FORM)),
    }
}

fn parse_expectation(raw: &RawTest<'_>, faults: &Faults) -> Option<Outcome> {
    let refuse = |what: &str, word: &str, hint: Option<String>| {
        let message = format!("test `{}`: `{word}` is no {what}", raw.name.value);
        faults.push(Fault::error(raw.expect.place, message).hint_if(hint));
    };
    match raw.expect.value {
        Expectation::Allow(word) => {
            let all = [Access::User, Access::Admin, Access::Authenticated, Access::Public];
            let found = all.into_iter().find(|access| access.as_str() == word).map(Outcome::Allow);
            if found.is_none() {
                let hint = "one of `user`, `admin`, `authenticated`, `public`".to_owned();
                refuse("access", word, did_you_mean(word, all.map(Access::as_str)).or(Some(hint)));
            }
            found
        }
        Expectation::Deny(word) => {
            let found = Reason::parse(word).map(Outcome::Deny);
            if found.is_none() {
                refuse(
                    "reason of a refusal",
                    word,
                    did_you_mean(word, Reason::ALL.iter().map(|reason| reason.as_str())),
                );
            }
            found
        }
    }
}

fn check_issuer(raw: &RawTest<'_>, token: &RawToken<'_>, issuers: Option<&[String]>, faults: &Faults) {
    let (Some(Placed { value, place }), Some(issuers)) = (token.issuer, issuers) else { return };
    if !issuers.iter().any(|issuer| issuer == value) {
        let message = format!("test `{}`: issuer `{value}` is not in the gateway file", raw.name.value);
        let hint = did_you_mean(value, issuers.iter().map(String::as_str));
        faults.push(Fault::error(place, message).hint_if(hint));
    }
}
