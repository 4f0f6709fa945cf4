//! Pages of a revocation feed, and whom they name.

use std::time::Duration;

use serde_json::Value;

use super::lines::Lines;
use super::token::{ISSUER, LEEWAY, NOW};
use crate::token::{NameDigest, RevocationPage, Revocations, VerifiedToken};

/// Lines: one page; everything behind it is the page that comes next.
///
/// * A page is taken whole or not at all: entries, cursor and whether there is more are what `serde_json` reads.
/// * A token is named by what was read if some entry names it in plain words, and by no others.
/// * The next page takes nobody back who was named.
pub fn revocations(bytes: &[u8]) {
    let mut lines = Lines::of(bytes);
    let (first, second) = (lines.line(), lines.rest());
    let Some((page, entries)) = read(first) else { return };
    let (now, leeway) = (Duration::from_secs(NOW), Duration::from_secs(LEEWAY));
    let named = Revocations::default().with(&page.entries, now, leeway).expect("few entries");
    let next = read(second);
    let both = next.as_ref().and_then(|(page, _)| named.with(&page.entries, now, leeway));
    assert_eq!(next.is_some(), both.is_some());
    let later = next.map(|(_, entries)| entries).unwrap_or_default();
    for token in entries.iter().chain(&later).flat_map(tokens) {
        let is_named = names(&entries, &token);
        assert_eq!(named.name(&token.facts()), is_named, "{token:?}");
        if let Some(both) = &both {
            assert_eq!(both.name(&token.facts()), is_named || names(&later, &token), "{token:?}");
        }
    }
}

/// The page and the entries of this issuer, if it can be read.
fn read(text: &[u8]) -> Option<(RevocationPage, Vec<Value>)> {
    let page = RevocationPage::read(text, ISSUER).ok()?;
    let value: Value = serde_json::from_slice(text).expect("what was read is JSON");
    assert_eq!((value["cursor"].as_str(), value["more"].as_bool()), (Some(page.cursor.as_str()), Some(page.more)));
    assert!(page.cursor.len() <= 1024);
    let entries = value["entries"].as_array().expect("`entries` is an array");
    let own: Vec<Value> = entries.iter().filter(|entry| entry["iss"] == ISSUER).cloned().collect();
    assert_eq!((page.entries.len(), page.strangers), (own.len(), entries.len() - own.len()));
    Some((page, own))
}

/// What a token says that an entry may name it by.
#[derive(Clone, Debug)]
struct Token {
    id: Option<String>,
    subject: Option<String>,
    client: Option<String>,
    issued: Option<u64>,
}

impl Token {
    fn facts(&self) -> VerifiedToken {
        VerifiedToken {
            issuer: ISSUER.into(),
            subject: self.subject.as_deref().map(Into::into),
            client: self.client.as_deref().map(Into::into),
            scope: "".into(),
            roles: Box::default(),
            exp: Duration::from_secs(NOW + 60),
            nbf: None,
            iat: self.issued.map(Duration::from_secs),
            jti: self.id.as_deref().map(|id| NameDigest::of(&[id])),
            client_only: false,
        }
    }
}

/// Tokens about which an entry might say something: at its bounds, with all that it names, and with a part of it.
fn tokens(entry: &Value) -> Vec<Token> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let before = entry.get("issued_before").and_then(Value::as_u64);
    let whole = Token { id: text("jti"), subject: text("sub"), client: text("client_id"), issued: before };
    let swapped =
        Token { id: whole.subject.clone(), subject: whole.client.clone(), client: whole.subject.clone(), issued: None };
    vec![
        Token { issued: before.map(|before| before + 1), ..whole.clone() },
        Token { issued: None, ..whole.clone() },
        Token { client: Some("other".to_owned()), ..whole.clone() },
        Token { subject: Some("other".to_owned()), ..whole.clone() },
        Token { subject: Some("user-1".to_owned()), client: Some("client-1".to_owned()), ..whole.clone() },
        swapped,
        whole,
    ]
}

fn names(entries: &[Value], token: &Token) -> bool {
    let is = |entry: &Value, name: &str, own: &Option<String>| match entry.get(name) {
        None => true,
        Some(named) => own.as_deref().is_some_and(|own| named == own),
    };
    entries.iter().any(|entry| {
        let all =
            is(entry, "jti", &token.id) && is(entry, "sub", &token.subject) && is(entry, "client_id", &token.client);
        let in_time =
            entry.get("issued_before").is_none_or(|before| token.issued.unwrap_or(0) <= before.as_u64().unwrap());
        all && in_time && entry["exp"].as_u64().unwrap() >= NOW - LEEWAY
    })
}
