//! What an authorization request may say, and who is told when it may not.

use std::collections::BTreeSet;

use super::Catalogue;
use super::authorization_fault::{AuthorizationFault, RequestFault, ReturnAddress, ShownFault};
use super::authorization_request::{AuthorizationRequest, Prompt};
use super::url_encoded::UrlEncoded;
use crate::scope::Catalog;
use crate::store::{Client, GrantType, ScopeNames};

const CALLBACK: &str = "https://app.example/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const API: &str = "https://api.example";

pub(super) fn catalogue() -> Catalogue {
    // The server's own scopes are enough to ask for.
    Catalogue::new(&Catalog::default())
}

pub(super) fn client(allow_list: &str) -> Client {
    Client {
        id: "app".to_owned(),
        name: "App".to_owned(),
        secret: None,
        redirect_uris: BTreeSet::from([CALLBACK.to_owned()]),
        grant_types: BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
        allow_list: ScopeNames::parse(allow_list),
        trusted: false,
        introspects: false,
        created_at: 0,
    }
}

/// A good request with `more` put in place of its parameters, or taken out where there is no value.
pub(super) fn query(more: &str) -> String {
    let good = [
        ("client_id", "app"),
        ("redirect_uri", "https%3A%2F%2Fapp.example%2Fcallback"),
        ("response_type", "code"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let is_replaced = |name: &str| more.split('&').any(|pair| pair.split('=').next() == Some(name));
    let kept = good.iter().filter(|(name, _)| !is_replaced(name)).map(|(name, value)| format!("{name}={value}"));
    kept.chain([more.to_owned()]).collect::<Vec<_>>().join("&")
}

fn check_for(client: Option<Client>, query: &str) -> Result<AuthorizationRequest, RequestFault> {
    let parameters = UrlEncoded::parse(query.as_bytes()).unwrap();
    AuthorizationRequest::check(
        &parameters,
        client,
        &catalogue(),
        &[API.to_owned(), "https://other.example".to_owned()],
    )
}

fn check(more: &str) -> Result<AuthorizationRequest, RequestFault> {
    check_for(Some(client("openid profile admin.users")), &query(more))
}

#[test]
fn rfc_6749_4_1_2_1_without_a_known_client_and_redirect_uri_there_is_nowhere_to_go() {
    assert_eq!(check_for(None, &query("")), Err(RequestFault::Shown(ShownFault::UnknownClient)));
    for more in [
        "redirect_uri",
        "redirect_uri=",
        "redirect_uri=https://evil.example/",
        "redirect_uri=https://app.example/callback/",
        "redirect_uri=https://app.example/callback&redirect_uri=https://app.example/callback",
        "redirect_uri=https://evil.example/&response_type=token&scope=nosuch",
        "redirect_uri=javascript:alert(1)",
    ] {
        assert_eq!(check(more), Err(RequestFault::Shown(ShownFault::RedirectUri)), "{more}");
    }
}

#[test]
fn every_other_fault_goes_to_the_client() {
    use AuthorizationFault::*;
    for (more, expected) in [
        ("response_type", "invalid_request"),
        ("response_type=token", UnsupportedResponseType.error()),
        ("response_type=code+id_token", UnsupportedResponseType.error()),
        ("response_type=code&response_type=code", "invalid_request"),
        ("response_mode=fragment", "invalid_request"),
        ("response_mode=form_post", "invalid_request"),
        ("request=ey", RequestNotSupported.error()),
        ("request_uri=https://app.example/r", RequestUriNotSupported.error()),
        ("registration=%7B%7D", RegistrationNotSupported.error()),
        ("code_challenge", "invalid_request"),
        ("code_challenge=short", "invalid_request"),
        ("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw%2FcM", "invalid_request"),
        ("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM%3D", "invalid_request"),
        ("code_challenge_method", "invalid_request"),
        ("code_challenge_method=plain", "invalid_request"),
        ("code_challenge_method=s256", "invalid_request"),
        ("scope=openid&scope=openid", "invalid_request"),
        ("unknown=1&unknown=2", "invalid_request"),
        ("prompt=none+login", "invalid_request"),
        ("prompt=create", "invalid_request"),
        ("max_age=-1", "invalid_request"),
        ("max_age=%2B1", "invalid_request"),
        ("max_age=1.5", "invalid_request"),
        ("max_age=99999999999999999999", "invalid_request"),
        ("resource=https://evil.example", InvalidTarget.error()),
        ("resource=https://api.example&resource=https://evil.example", InvalidTarget.error()),
        ("resource=https://api.example/", InvalidTarget.error()),
    ] {
        let Err(RequestFault::Returned(address, fault)) = check(more) else { panic!("{more} is taken") };
        assert_eq!((fault.error(), address.state.as_deref()), (expected, Some("s")), "{more}");
    }
    let alone = Client { grant_types: BTreeSet::from([GrantType::ClientCredentials]), ..client("openid") };
    let fault = check_for(Some(alone), &query("")).unwrap_err();
    assert!(matches!(fault, RequestFault::Returned(_, UnauthorizedClient)), "{fault:?}");
}

#[test]
fn a_state_that_is_sent_twice_is_not_guessed_at() {
    let Err(RequestFault::Returned(address, _)) = check("state=a&state=b") else { panic!("it is taken") };
    assert_eq!(address.state, None);
}

#[test]
fn rfc_9207_2_every_response_carries_state_and_issuer() {
    let state = Some("a b&c=d/é\"<\u{1F600}".to_owned());
    let address = ReturnAddress { redirect_uri: CALLBACK.to_owned(), state };
    for location in [
        address.code("xyz", "https://as.example"),
        address.error(AuthorizationFault::InvalidScope, "https://as.example"),
    ] {
        let (uri, query) = location.split_once('?').unwrap();
        let told = UrlEncoded::parse(query.as_bytes()).unwrap();
        assert_eq!(
            (uri, told.one("state"), told.one("iss")),
            (CALLBACK, address.state.as_deref(), Some("https://as.example"))
        );
        assert!(location.is_ascii() && !location.contains([' ', '"', '<']), "{location}");
        assert_ne!(told.one("code").is_some(), told.one("error").is_some());
    }
}

#[test]
fn rfc_6749_4_1_2_1_descriptions_are_of_the_letters_that_are_allowed() {
    use AuthorizationFault::*;
    for fault in [
        UnauthorizedClient,
        UnsupportedResponseType,
        InvalidScope,
        InvalidTarget,
        RequestNotSupported,
        RequestUriNotSupported,
        RegistrationNotSupported,
        AccessDenied,
        LoginRequired,
        ConsentRequired,
        InteractionRequired,
    ] {
        let allowed = |byte: u8| (0x20..0x7F).contains(&byte) && byte != b'"' && byte != b'\\';
        assert!(fault.description().bytes().all(allowed), "{fault:?}");
    }
}

#[test]
fn rfc_6749_3_3_what_the_client_may_not_have_is_left_out() {
    for (scope, expected) in [
        ("scope", ""),
        ("scope=", ""),
        ("scope=openid++openid", "openid"),
        ("scope=openid+offline_access", "openid"),
        ("scope=nosuch:scope", ""),
        ("scope=profile+admin.users+admin.roles", "admin.users profile"),
    ] {
        assert_eq!(check(scope).unwrap().requested.to_string(), expected, "{scope}");
    }
}

#[test]
fn what_is_read_is_what_was_sent() {
    let more = "scope=openid&nonce=n%2F1&prompt=login+consent&max_age=60&login_hint=ann&resource=https://api.example\
                &ui_locales=de&response_mode=query&unknown=1";
    let request = check(more).unwrap();
    assert_eq!(request.nonce.as_deref(), Some("n/1"));
    assert_eq!(request.prompt, Prompt { login: true, consent: true, ..Prompt::default() });
    assert_eq!((request.max_age, request.login_hint.as_deref()), (Some(60), Some("ann")));
    assert_eq!((request.resources, &*request.code_challenge), (vec![API.to_owned()], CHALLENGE));
    assert!(check("resource=").unwrap().resources.is_empty(), "RFC 6749 §3.1: without a value it is not there");
    let both = check("resource=https://api.example&resource=https://other.example").unwrap();
    assert_eq!(both.resources.len(), 2, "RFC 8707 §2");
}
