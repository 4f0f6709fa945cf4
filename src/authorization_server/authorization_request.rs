//! The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1, RFC 8707 §2), checked anew at each step.

use super::Catalogue;
use super::authorization_fault::{AuthorizationFault, RequestFault, ReturnAddress, ShownFault};
use super::url_encoded::UrlEncoded;
use super::{grant, redirect_uri};
use crate::store::{Client, GrantType, ScopeNames, Seconds};

/// The only parameter that may be sent more than once (RFC 8707 §2).
const RESOURCE: &str = "resource";
/// Letters of a SHA-256 in base64url (RFC 7636 §4.2).
const CHALLENGE_LENGTH: usize = 43;

/// An authorization request that can be answered at its redirect URI with a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthorizationRequest {
    /// Who asks.
    pub(super) client: Client,
    /// Where the answer goes.
    pub(super) return_address: ReturnAddress,
    /// What the client may be granted at all.
    pub(super) grantable: ScopeNames,
    /// What it asks for, as far as it may have it. What it may not have is left out, and the token response shows it (RFC 6749 §3.3).
    pub(super) requested: ScopeNames,
    /// RFC 7636 §4.2, method S256.
    pub(super) code_challenge: String,
    /// Audiences that the token is to be for; empty for all of them.
    pub(super) resources: Vec<String>,
    /// Goes into the ID token as it is.
    pub(super) nonce: Option<String>,
    /// What the user must be asked.
    pub(super) prompt: Prompt,
    /// How long ago the user may have logged in, in seconds.
    pub(super) max_age: Option<Seconds>,
    /// What the user would type at login.
    pub(super) login_hint: Option<String>,
}

/// The `prompt` parameter (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Show nothing; then the others are not set.
    pub(super) none: bool,
    /// Ask for the password again.
    pub(super) login: bool,
    /// Ask for approval again.
    pub(super) consent: bool,
    /// Ask which account is meant.
    pub(super) select_account: bool,
}

impl AuthorizationRequest {
    /// Checks a request of `client`, who is the one that `client_id` names if there is one.
    pub(super) fn check(
        parameters: &UrlEncoded,
        client: Option<Client>,
        catalogue: &Catalogue,
        audience: &[String],
    ) -> Result<Self, RequestFault> {
        let client = client.ok_or(RequestFault::Shown(ShownFault::UnknownClient))?;
        let redirect_uri = parameters
            .one("redirect_uri")
            .filter(|presented| redirect_uri::is_registered(&client.redirect_uris, presented))
            .ok_or(RequestFault::Shown(ShownFault::RedirectUri))?;
        let state = parameters.one("state").map(str::to_owned);
        let return_address = ReturnAddress { redirect_uri: redirect_uri.to_owned(), state };
        Self::read(parameters, client, return_address.clone(), catalogue, audience)
            .map_err(|fault| RequestFault::Returned(return_address, fault))
    }

    fn read(
        parameters: &UrlEncoded,
        client: Client,
        return_address: ReturnAddress,
        catalogue: &Catalogue,
        audience: &[String],
    ) -> Result<Self, AuthorizationFault> {
        refuse_what_is_not_spoken(parameters)?;
        if !client.grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(AuthorizationFault::UnauthorizedClient);
        }
        // RFC 6749 §3.1: one without a value counts as omitted.
        let resources = parameters.all(RESOURCE).filter(|resource| !resource.is_empty());
        let resources: Vec<String> = resources.map(str::to_owned).collect();
        if resources.iter().any(|resource| !audience.contains(resource)) {
            return Err(AuthorizationFault::InvalidTarget);
        }
        let grantable = grant::grantable(&client, catalogue);
        let requested = ScopeNames::parse(parameters.one("scope").unwrap_or_default()).intersection(&grantable);
        Ok(Self {
            client,
            return_address,
            requested,
            grantable,
            code_challenge: code_challenge(parameters)?,
            resources,
            nonce: parameters.one("nonce").map(str::to_owned),
            prompt: prompt(parameters.one("prompt").unwrap_or_default())?,
            max_age: parameters.one("max_age").map(seconds).transpose()?,
            login_hint: parameters.one("login_hint").map(str::to_owned),
        })
    }
}

fn refuse_what_is_not_spoken(parameters: &UrlEncoded) -> Result<(), AuthorizationFault> {
    // RFC 6749 §3.1, of every parameter, known or not.
    if parameters.repeats_any_but(RESOURCE) {
        return Err(AuthorizationFault::InvalidRequest("a parameter is sent more than once"));
    }
    // OpenID Connect Core §6.1, §6.2 and §7.2.1.
    for (name, fault) in [
        ("request", AuthorizationFault::RequestNotSupported),
        ("request_uri", AuthorizationFault::RequestUriNotSupported),
        ("registration", AuthorizationFault::RegistrationNotSupported),
    ] {
        if parameters.one(name).is_some() {
            return Err(fault);
        }
    }
    match parameters.one("response_type") {
        Some("code") => {}
        Some(_) => return Err(AuthorizationFault::UnsupportedResponseType),
        None => return Err(AuthorizationFault::InvalidRequest("`response_type` is missing")),
    }
    match parameters.one("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(AuthorizationFault::InvalidRequest("the only response mode is `query`")),
    }
}

/// RFC 7636 §4.3, where an absent method means `plain`, which would protect from nobody who sees the request (RFC 9700 §2.1.1).
fn code_challenge(parameters: &UrlEncoded) -> Result<String, AuthorizationFault> {
    let Some(challenge) = parameters.one("code_challenge") else {
        return Err(AuthorizationFault::InvalidRequest("`code_challenge` is missing (PKCE is required)"));
    };
    if parameters.one("code_challenge_method") != Some("S256") {
        return Err(AuthorizationFault::InvalidRequest("the only `code_challenge_method` is `S256`"));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if challenge.len() != CHALLENGE_LENGTH || !challenge.bytes().all(is_letter) {
        return Err(AuthorizationFault::InvalidRequest("`code_challenge` is not the base64url of a SHA-256"));
    }
    Ok(challenge.to_owned())
}

fn prompt(text: &str) -> Result<Prompt, AuthorizationFault> {
    let mut prompt = Prompt::default();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let asked = match word {
            "none" => &mut prompt.none,
            "login" => &mut prompt.login,
            "consent" => &mut prompt.consent,
            "select_account" => &mut prompt.select_account,
            _ => return Err(AuthorizationFault::InvalidRequest("`prompt` holds an unknown value")),
        };
        *asked = true;
    }
    if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
        return Err(AuthorizationFault::InvalidRequest("`prompt=none` allows no other value"));
    }
    Ok(prompt)
}

fn seconds(text: &str) -> Result<Seconds, AuthorizationFault> {
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_whole);
    seconds.ok_or(AuthorizationFault::InvalidRequest("`max_age` is not a number of seconds"))
}
