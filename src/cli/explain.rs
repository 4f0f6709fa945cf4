//! `scopegate explain`: how the gateway would decide a request, and why.

use std::io;
use std::path::{Path, PathBuf};

use http::{HeaderValue, Method, Uri};
use serde::Serialize;

use crate::policy::{self, Explanation, Presented, PresentedClient, Terms};

use super::explain_token::{self, Bearer};
use super::fault::{Answer, Fault};
use super::loaded::Loaded;
use super::output::{self, Format, WARNING};

/// The host of a URL that names none: it has no routes of its own, unless the policy says so.
const HOST: HeaderValue = HeaderValue::from_static("localhost");

/// What `explain` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  scopegate explain DELETE /api/v1/automations/7 --scope automations:read --role TenantAdmin routes.yaml
  scopegate explain GET https://api.example.com/api/v1/apps/7 --token \"$TOKEN\" scopegate.yaml

Without --token and without claims, the request carries no credentials. With claims and without --client, no client's ceiling applies. Exit status 1 when the request would be refused.")]
pub(super) struct Arguments {
    /// Such as GET
    method: Method,
    /// A path, or a URL with a host
    url: Uri,
    /// A gateway file, or policy files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A token, or `-` to read it from standard input; its signature is verified where the gateway file names a key file, and its claims are taken on trust elsewhere
    #[arg(long, value_name = "JWT", conflicts_with_all = ["scope", "role", "client", "subject"])]
    token: Option<String>,
    /// Scopes that a token would carry, several separated by a space or by giving the option again
    #[arg(long, value_name = "SCOPES")]
    scope: Vec<String>,
    /// A role that it would carry; may be given several times
    #[arg(long, value_name = "NAME")]
    role: Vec<String>,
    /// The client that it would be for
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Its subject; the same as the client for one that acts alone
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// How the explanation is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The explanation as JSON, with what is known of the token itself.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    /// Whether the token's signature and claims were verified; `None` without `--token`.
    token_verified: Option<bool>,
    /// Why the gateway would refuse the token before it looks at scopes.
    token_refused: Option<&'static str>,
}

/// Prints the explanation.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let loaded = Loaded::read(&arguments.files)?;
    let bearer = match &arguments.token {
        Some(token) => Some(explain_token::read(&loaded, &shown(token)?)?),
        None => None,
    };
    let scope = arguments.scope.join(" ");
    let presented = bearer.as_ref().map(Bearer::presented).or_else(|| arguments.presented(&scope));
    let host =
        arguments.url.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()).unwrap_or(HOST);
    // What the directory says is for the running gateway to ask; its credentials are not this command's.
    let terms = Terms { table: loaded.table(), directory: None };
    let explanation = policy::explain(terms, &arguments.method, &arguments.url, &host, presented.as_ref());
    let refused = bearer.as_ref().and_then(|bearer| bearer.refused);
    match arguments.format {
        Format::Text => {
            bearer.iter().for_each(|bearer| output::report(&remark(bearer)));
            output::print(&explanation.to_string())?;
        }
        Format::Json => output::print_json(&Report {
            explanation: &explanation,
            token_verified: bearer.as_ref().map(|bearer| bearer.verified),
            token_refused: refused.map(policy::Reason::as_str),
        })?,
    }
    Ok(Answer::of(explanation.is_allowed() && refused.is_none()))
}

impl Arguments {
    /// The claims that the options make up; `None` without any.
    fn presented<'a>(&'a self, scope: &'a str) -> Option<Presented<'a>> {
        let none = self.scope.is_empty() && self.role.is_empty() && self.client.is_none() && self.subject.is_none();
        if none {
            return None;
        }
        Some(Presented {
            scope,
            roles: self.role.iter().map(String::as_str).collect(),
            client: self.client.as_deref().map_or(PresentedClient::Unlimited, PresentedClient::Named),
            alone: self.client.is_some() && self.client == self.subject,
        })
    }
}

/// The token that an argument means.
fn shown(argument: &str) -> Result<String, Fault> {
    match argument {
        "-" => {
            let text =
                io::read_to_string(io::stdin()).map_err(|error| Fault::read(Path::new("standard input"), error))?;
            Ok(text.trim().to_owned())
        }
        token => Ok(token.to_owned()),
    }
}

/// What is said of the token itself.
fn remark(bearer: &Bearer) -> String {
    match (bearer.refused, bearer.verified) {
        (Some(reason), _) => format!("{WARNING}warning:{WARNING:#} the token itself would be refused: `{reason}`\n"),
        (None, false) => format!(
            "{WARNING}warning:{WARNING:#} the token's signature was not verified: its claims are taken on trust\n"
        ),
        (None, true) => String::new(),
    }
}
