//! What the demo says: who listens where, and three requests to try.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::demo_files::{AUDIENCE, Addresses, ISSUER};
use super::fault::Fault;
use super::mint::random_name;
use super::output::{FAINT, HINT, STRONG, WARNING, WELL};
use super::test_key::{Audience, Claims, TestKey};

/// How long the demo's tokens are valid.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The two tokens of the demo: one person, one application, two scopes.
#[derive(Debug)]
pub(super) struct Tokens {
    own: String,
    tenant: String,
}

impl Tokens {
    /// Signs both.
    ///
    /// # Errors
    ///
    /// [`Fault::Internal`]: a key that was just made can sign.
    pub(super) fn sign(key: &TestKey, now: Duration) -> Result<Self, Fault> {
        let token = |scope: &str| -> Result<String, Fault> {
            let claims = Claims {
                iss: ISSUER.into(),
                aud: Audience(vec![AUDIENCE.into()]),
                sub: "nora".into(),
                client_id: "web-console".into(),
                scope: scope.into(),
                roles: vec!["TenantAdmin".into()],
                iat: now.as_secs(),
                exp: (now + LIFETIME).as_secs(),
                jti: random_name()?,
            };
            key.sign(&claims).map_err(|error| Fault::internal("the token could not be signed", error))
        };
        Ok(Self { own: token("automations")?, tenant: token("admin.automations")? })
    }
}

/// The demo's text: styled; whoever prints it strips the styles where they are not wanted.
pub(super) fn tell(addresses: &Addresses, tokens: &Tokens, folder: &Path) -> String {
    let Addresses { gateway, admin, api } = addresses;
    let usage = format!("http://{gateway}/api/v1/automations/usage");
    let with = |token: &str| format!(" -H '{FAINT}Authorization: Bearer {token}{FAINT:#}'");
    let mut text = format!(
        "{STRONG}scopegate demo{STRONG:#}

  gateway     http://{gateway}
  sample API  http://{api}   behind it; answers with what it was told
  admin       http://{admin}   /metrics  /routes  /readyz
"
    );
    let steps = [
        (format!("{WARNING}401{WARNING:#}  no token, and the challenge names the scope to ask for"), String::new()),
        (
            format!(
                "{WARNING}403{WARNING:#}  Nora is TenantAdmin, but let this application manage her own automations only:\n        \
                 the token's scope is `automations`, and her role adds nothing to it"
            ),
            with(&tokens.own),
        ),
        (
            format!(
                "{WELL}200{WELL:#}  the same request, by a token with `admin.automations`: the API is told `admin`,\n        \
                 and answers for the whole tenant"
            ),
            with(&tokens.tenant),
        ),
    ];
    for (number, (what, credentials)) in (1..).zip(steps) {
        // Writing into a String cannot fail.
        let _ = write!(text, "\n{number}  {what}\n\n   {HINT}curl -i {usage}{HINT:#}{credentials}\n");
    }
    let _ = write!(
        text,
        "
Without `/usage`, the token of 2 gets the three automations that Nora may see, the token of 3 all four.
Edit {}: it is in force as you save it.
The tokens are valid for an hour. Ctrl-C ends the demo.

",
        folder.join("routes.yaml").display()
    );
    text
}
