//! What the page shows.

use askama::Template;

use super::calls::Call;
use super::explain::Shown;
use super::people::{People, Person, ROLE, ROLE_EXTRA};
use super::sessions::{Notice, Session};
use super::start::Addresses;
use super::tokens::Token;

/// A scope that the page can ask for.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) name: &'static str,
    describe: &'static str,
    is_admin: bool,
    ticked: bool,
}

/// The scopes that the page can ask for, in the words of the policy.
pub(super) const OFFERED: [Offer; 3] = [
    Offer { name: "automations", describe: "Manage your automations", is_admin: false, ticked: true },
    Offer {
        name: "automations.private",
        describe: "Manage and run automations in your personal space",
        is_admin: false,
        ticked: false,
    },
    Offer {
        name: "admin.automations",
        describe: "Manage all automations of the tenant",
        is_admin: true,
        ticked: false,
    },
];

#[derive(Template)]
#[template(path = "walkthrough.html")]
struct Walkthrough<'a> {
    addresses: &'a Addresses,
    issuer: String,
    people: [&'a Person; 2],
    offered: &'a [Offer],
    tokens: Vec<TokenView<'a>>,
    calls: [Call; 5],
    shown: Option<&'a Shown>,
    notice: Option<&'a Notice>,
    role: &'a str,
    role_extra: &'a str,
    /// `None` when it is not known.
    permits: Option<bool>,
}

struct TokenView<'a> {
    number: usize,
    who: &'a str,
    scope: &'a str,
    claims: Vec<Claim<'a>>,
    is_chosen: bool,
}

struct Claim<'a> {
    name: &'a str,
    value: String,
    meaning: &'static str,
}

/// Writes the page for one browser.
///
/// # Errors
///
/// A defect of the template's.
pub(super) fn render(
    addresses: &Addresses,
    people: &People,
    session: &Session,
    permits: Option<bool>,
) -> askama::Result<String> {
    let tried = session.shown.as_ref().filter(|shown| shown.given == session.given).map(|shown| shown.token);
    // After a new token, that one is what the reader wants to try next.
    let chosen = tried.unwrap_or_else(|| session.tokens.first().map(|token| token.number));
    let tokens = session.tokens.iter().map(|token| TokenView::new(token, people, chosen)).collect();
    let page = Walkthrough {
        addresses,
        issuer: addresses.issuer(),
        people: people.shown(),
        offered: &OFFERED,
        tokens,
        calls: Call::ALL,
        shown: session.shown.as_ref(),
        notice: session.notice.as_ref(),
        role: ROLE,
        role_extra: ROLE_EXTRA,
        permits,
    };
    page.render()
}

impl Walkthrough<'_> {
    /// What there is to say in a part of the page.
    fn said(&self, part: &str) -> Option<&Notice> {
        self.notice.filter(|notice| notice.part == part)
    }
}

impl<'a> TokenView<'a> {
    fn new(token: &'a Token, people: &People, chosen: Option<usize>) -> Self {
        let claims = token.claims().map(|(name, value)| Claim { name, value, meaning: meaning(name) }).collect();
        let who = people.name_of(token.subject());
        Self { number: token.number, who, scope: &token.scope, claims, is_chosen: chosen == Some(token.number) }
    }
}

/// What a claim is for (RFC 9068 §2.2).
fn meaning(name: &str) -> &'static str {
    match name {
        "iss" => "the authorization server that issued it",
        "aud" => "whom it is for: the gateway takes no other",
        "sub" => "the person, under a name that means nothing",
        "client_id" => "the application",
        "scope" => "what the person let the application do",
        "roles" => "what the person is; what that permits is asked of the role directory",
        "iat" => "when it was issued, in seconds since 1970",
        "exp" => "when it ends",
        "jti" => "its own name, by which it can be revoked",
        "auth_time" => "when the person logged in",
        _ => "",
    }
}
