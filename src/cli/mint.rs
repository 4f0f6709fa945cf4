//! `scopegate token mint`: a signed token for tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::clock::Clock;
use crate::config;

use super::fault::{Answer, Fault};
use super::output::{self, FAINT, Format};
use super::test_key::{Audience, Claims, KeyFault, PRIVATE, READABLE, TestKey, write_new};

/// A lifetime beyond this is asked for by mistake, in seconds: ten years.
const LONGEST: u64 = 10 * 366 * 24 * 60 * 60;

/// What `token mint` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  scopegate token mint --new-key keys --issuer https://idp.example.com/ --audience https://api.example.com \\
      --subject nora --role TenantAdmin --scope 'automations automations.private'
  scopegate token mint --key keys/key.pem --issuer https://idp.example.com/ --audience https://api.example.com \\
      --client reporting-job --scope apps:read

Point the gateway file's `issuers[].keys.file` at keys/jwks.json. For tests only: in production tokens come from an authorization server.")]
pub(super) struct Arguments {
    /// A P-256 private key in PEM form
    #[arg(long, value_name = "FILE", required_unless_present = "new_key", conflicts_with = "new_key")]
    key: Option<PathBuf>,
    /// Make a new key first: DIR/key.pem, readable by you alone, and DIR/jwks.json
    #[arg(long, value_name = "DIR")]
    new_key: Option<PathBuf>,
    /// `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// `aud`; may be given several times
    #[arg(long, value_name = "URI", required = true)]
    audience: Vec<String>,
    /// `client_id`
    #[arg(long, value_name = "NAME", default_value = "test-client")]
    client: String,
    /// `sub`: the user [default: the client, which then acts alone]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// `scope`, several separated by a space or by giving the option again
    #[arg(long, value_name = "SCOPES")]
    scope: Vec<String>,
    /// An entry of `roles`; may be given several times
    #[arg(long, value_name = "NAME")]
    role: Vec<String>,
    /// How long the token is valid: 90s, 15m, 1h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    lifetime: Duration,
    /// The key's name in the token and in jwks.json [default: its RFC 7638 thumbprint]
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,
    /// How the token is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints a signed token.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let key = key(arguments)?;
    let claims = claims(arguments, Clock::system().now())?;
    let token = key.sign(&claims).map_err(|error| Fault::internal("the token could not be signed", error))?;
    output::report(&format!(
        "{FAINT}a token for tests, signed with a local key: never use it in production{FAINT:#}\n"
    ));
    match arguments.format {
        Format::Text => output::print(&format!("{token}\n"))?,
        Format::Json => output::print_json(&json!({"token": token, "kid": key.kid(), "claims": claims}))?,
    }
    Ok(Answer::Yes)
}

fn key(arguments: &Arguments) -> Result<TestKey, Fault> {
    let named = |key: TestKey| match &arguments.kid {
        Some(kid) => key.named(kid.clone()),
        None => key,
    };
    let (Some(path), None) = (&arguments.key, &arguments.new_key) else {
        let key = named(TestKey::generate().map_err(|fault| Fault::internal("no key", fault))?);
        return arguments.new_key.as_deref().map_or(Ok(()), |folder| save(&key, folder)).map(|()| key);
    };
    let pem = std::fs::read(path).map_err(|error| Fault::read(path, error))?;
    TestKey::read(&pem).map(named).map_err(|fault| match fault {
        KeyFault::Pem | KeyFault::NotP256 => Fault::call_with_hint(
            format!("`{}`: {fault}", path.display()),
            "`--new-key DIR` makes one, as does `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
        ),
        KeyFault::Generate => Fault::internal("no key", fault),
    })
}

/// Writes `key.pem` and `jwks.json`; a key that is already there is never overwritten.
fn save(key: &TestKey, folder: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(folder).map_err(|error| Fault::write(folder, error))?;
    let set = format!("{:#}\n", key.jwk_set());
    for (name, text, mode) in [("key.pem", key.pem(), PRIVATE), ("jwks.json", set, READABLE)] {
        let path = folder.join(name);
        write_new(&path, &text, mode).map_err(|error| Fault::write(&path, error))?;
        output::report(&format!("{FAINT}wrote {}{FAINT:#}\n", path.display()));
    }
    Ok(())
}

fn claims(arguments: &Arguments, now: Duration) -> Result<Claims, Fault> {
    let iat = now.as_secs();
    Ok(Claims {
        iss: arguments.issuer.clone(),
        aud: Audience(arguments.audience.clone()),
        // RFC 9068 §2.2: where no user is involved, `sub` identifies the client.
        sub: arguments.subject.as_ref().unwrap_or(&arguments.client).clone(),
        client_id: arguments.client.clone(),
        scope: arguments.scope.join(" "),
        roles: arguments.role.clone(),
        iat,
        exp: iat + arguments.lifetime.as_secs(),
        jti: random_name()?,
    })
}

/// 96 random bits as text: no two tokens share a `jti` (RFC 7519 §4.1.7).
pub(super) fn random_name() -> Result<String, Fault> {
    let mut bits = [0; 12];
    rand::fill(&mut bits).map_err(|_| Fault::internal("no randomness", "the system gave none"))?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

/// At least one whole second: `exp` knows no less.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = config::parse_duration(text)?;
    if (1..=LONGEST).contains(&lifetime.as_secs()) {
        Ok(lifetime)
    } else {
        Err("a token is valid for at least `1s` and at most ten years".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_with_their_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("24h", 86_400), ("87840h", 316_224_000)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "90", "0s", "999ms", "1d", "-1s", "h", "87841h", "99999999999999999999s", "1é"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
