//! `scopegate demo`: a first look in one command.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::demo::{Addresses, Demo, FirstTokens, Wanted};

use super::fault::{Answer, Fault};
use super::output::{self, FAINT, HINT, STRONG, WARNING, WELL};

/// What `demo` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scopegate demo\n\nA port that is taken is replaced by a free one, unless you named it. Everything listens on loopback, with keys, secrets and passwords made on the spot."
)]
pub(super) struct Arguments {
    /// Where the page listens that walks through the story [default: 127.0.0.1:8088]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    page: Option<SocketAddr>,
    /// Where the gateway does [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    gateway: Option<SocketAddr>,
    /// Where its admin listener does [default: 127.0.0.1:9901]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    admin: Option<SocketAddr>,
    /// Where the authorization server does [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    authorization_server: Option<SocketAddr>,
    /// Where the sample API does [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    api: Option<SocketAddr>,
}

/// Starts everything, says what to try, and runs until Ctrl-C.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let &Arguments { page, gateway, admin, authorization_server, api } = arguments;
    let demo = Demo::start(Wanted { page, gateway, admin, authorization_server, api }).map_err(Fault::of_demo)?;
    output::print(&tell(&demo))?;
    demo.wait();
    Ok(Answer::Yes)
}

/// What the demo opens lies open on its page: nobody else may reach it.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "an address is written `127.0.0.1:8080`")?;
    if address.ip().is_loopback() { Ok(address) } else { Err("the demo listens on loopback only".into()) }
}

/// The demo's text: styled; whoever prints it strips the styles where they are not wanted.
fn tell(demo: &Demo) -> String {
    let mut text = addresses(demo.addresses());
    for (number, (what, token)) in (1..).zip(steps(demo.tokens())) {
        let usage = format!("http://{}/api/v1/automations/usage", demo.addresses().gateway);
        let field =
            token.map(|token| format!(" -H '{FAINT}Authorization: Bearer {token}{FAINT:#}'")).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = write!(text, "\n{number}  {what}\n\n   {HINT}curl -i {usage}{HINT:#}{field}\n");
    }
    let _ = write!(
        text,
        "
Without `/usage`, the token of 2 gets the three automations that Nora may see, the token of 3 all five.
Edit {}: it is in force as you save it.
The tokens are valid for an hour. Ctrl-C ends the demo.

",
        demo.policy().display()
    );
    text
}

fn addresses(addresses: &Addresses) -> String {
    let Addresses { page, gateway, admin, authorization_server, api } = addresses;
    format!(
        "{STRONG}scopegate demo{STRONG:#}

  open this             {HINT}http://{page}/{HINT:#}   walks through the story: log in, consent, call, take back

  gateway               http://{gateway}
  its admin listener    http://{admin}   /metrics  /routes  /readyz
  authorization server  http://{authorization_server}   /approvals
  sample API            http://{api}   behind the gateway; answers by what it was told
"
    )
}

/// What each request shows, and the token that it comes with.
fn steps(tokens: &FirstTokens) -> [(String, Option<&str>); 3] {
    [
        (format!("{WARNING}401{WARNING:#}  no token, and the challenge names the scope to ask for"), None),
        (
            format!(
                "{WARNING}403{WARNING:#}  Nora is TenantAdmin, but let this application manage her own automations only:\n        \
                 the token's scope is `automations`, and her role adds nothing to it"
            ),
            Some(&tokens.own),
        ),
        (
            format!(
                "{WELL}200{WELL:#}  the same request, now that she let it manage the tenant's as well: the API is told `admin`,\n        \
                 and answers for the whole tenant"
            ),
            Some(&tokens.tenant),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for text in ["127.0.0.1:8080", "127.9.9.9:0", "[::1]:8080"] {
            assert!(loopback(text).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80", "[::ffff:127.0.0.1]:80", "localhost:8080", "8080", ""]
        {
            assert!(loopback(text).is_err(), "{text}");
        }
    }
}
