use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{AUDIENCE, Changes, ISSUER, NOW, absent, now, rules};
use super::{ClientOnly, IntrospectionFault, IssuerRules, TokenFault, TrustedIssuer, VerifiedToken};

const LONGEST: Duration = Duration::from_secs(30);

fn answer(changes: Changes<'_>) -> String {
    let mut answer = json!({
        "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "client-1", "token_type": "Bearer",
        "iat": NOW - 60, "exp": NOW + 600, "scope": "items:read",
    });
    let members = answer.as_object_mut().unwrap();
    for (name, value) in changes {
        members.shift_remove(*name);
        if *value != absent() {
            members.insert((*name).to_owned(), value.clone());
        }
    }
    answer.to_string()
}

fn read_with(rules: &IssuerRules, text: &str) -> Result<VerifiedToken, IntrospectionFault> {
    TrustedIssuer::new(rules).read_introspection(text.as_bytes(), now(), LONGEST)
}

fn read(text: &str) -> Result<VerifiedToken, IntrospectionFault> {
    read_with(&rules(), text)
}

fn outcome(changes: Changes<'_>) -> Result<(), TokenFault> {
    match read(&answer(changes)) {
        Ok(_) => Ok(()),
        Err(IntrospectionFault::Token(fault)) => Err(fault),
        Err(IntrospectionFault::Unreadable) => panic!("the answer is readable"),
    }
}

#[test]
fn rfc_7662_section_2_2_only_true_is_active() {
    for value in [json!(false), json!("true"), json!(1), json!(null), json!([true]), json!({}), absent()] {
        assert_eq!(outcome(&[("active", value.clone())]), Err(TokenFault::Inactive), "{value}");
    }
    assert_eq!(read("{}"), Err(TokenFault::Inactive.into()));
    // Nothing else of an answer about a token that is not active is looked at.
    assert_eq!(outcome(&[("active", json!(false)), ("aud", json!(7))]), Err(TokenFault::Inactive));
}

#[test]
fn what_is_no_single_object_says_nothing_of_the_token() {
    let good = answer(&[]);
    let twice = good.replacen('{', "{\"active\": false, ", 1);
    let twice_deeper = good.replacen('{', "{\"x\": {\"a\": 1, \"a\": 2}, ", 1);
    let behind = format!("{good} x");
    let listed = format!("[{good}]");
    for text in ["", "true", "null", "[]", "<html>", "{", &*twice, &*twice_deeper, &*behind, &*listed] {
        assert_eq!(read(text), Err(IntrospectionFault::Unreadable), "{text}");
    }
}

#[test]
fn every_member_is_checked_as_a_claim_is() {
    for (name, value, expected) in of_issuer_and_times().into_iter().chain(of_bearer()) {
        assert_eq!(outcome(&[(name, value.clone())]), expected, "{name} {value}");
    }
}

type Row = (&'static str, Value, Result<(), TokenFault>);

fn of_issuer_and_times() -> Vec<Row> {
    use TokenFault::{BadAudience, BadClaims, Expired, NotYetValid, UnknownIssuer};
    vec![
        ("iss", absent(), Ok(())),
        ("iss", json!("https://other.test"), Err(UnknownIssuer)),
        ("iss", json!(format!("{ISSUER}/")), Err(UnknownIssuer)),
        ("iss", json!(7), Err(BadClaims)),
        ("iss", json!(null), Err(BadClaims)),
        ("aud", json!(["https://other.test", AUDIENCE]), Ok(())),
        ("aud", absent(), Err(BadAudience)),
        ("aud", json!([]), Err(BadAudience)),
        ("aud", json!("https://other.test"), Err(BadAudience)),
        ("aud", json!([AUDIENCE, 7]), Err(BadClaims)),
        ("aud", json!(null), Err(BadClaims)),
        ("exp", json!(NOW + 1), Ok(())),
        ("exp", absent(), Ok(())),
        ("exp", json!(NOW), Err(Expired)),
        ("exp", json!(NOW - 1), Err(Expired)),
        ("exp", json!("2030-01-01"), Err(BadClaims)),
        ("exp", json!(null), Err(BadClaims)),
        ("exp", json!(NOW + 86_400), Err(BadClaims)),
        ("nbf", json!(NOW + 5), Ok(())),
        ("nbf", json!(NOW + 6), Err(NotYetValid)),
        ("nbf", json!("soon"), Err(BadClaims)),
        ("iat", absent(), Ok(())),
        ("iat", json!(NOW + 6), Err(NotYetValid)),
        ("iat", json!(-1), Err(BadClaims)),
    ]
}

fn of_bearer() -> Vec<Row> {
    use TokenFault::{BadClaims, BadType, SenderConstraint};
    vec![
        ("sub", json!(""), Err(BadClaims)),
        ("sub", json!(7), Err(BadClaims)),
        ("client_id", absent(), Err(BadClaims)),
        ("client_id", json!(""), Err(BadClaims)),
        ("azp", json!("client-1"), Ok(())),
        ("azp", json!("another"), Err(BadClaims)),
        ("jti", json!(7), Err(BadClaims)),
        ("scope", absent(), Ok(())),
        ("scope", json!(["items:read", "items"]), Ok(())),
        ("scope", json!(null), Err(BadClaims)),
        ("scope", json!([7]), Err(BadClaims)),
        ("roles", json!(["Editor"]), Ok(())),
        ("roles", json!({"Editor": true}), Err(BadClaims)),
        ("cnf", json!({"jkt": "x"}), Err(SenderConstraint)),
        ("cnf", json!({}), Err(SenderConstraint)),
        ("cnf", json!(null), Err(SenderConstraint)),
        ("token_type", json!("bearer"), Ok(())),
        ("token_type", absent(), Ok(())),
        ("token_type", json!("DPoP"), Err(SenderConstraint)),
        ("token_type", json!("refresh_token"), Err(BadType)),
        ("token_type", json!(null), Err(BadClaims)),
        ("username", json!("nora"), Ok(())),
    ]
}

#[test]
fn an_id_token_is_no_access_token_unless_its_type_says_so() {
    for name in ["nonce", "at_hash"] {
        assert_eq!(outcome(&[(name, json!("x")), ("token_type", absent())]), Err(TokenFault::BadType));
        assert_eq!(outcome(&[(name, json!("x"))]), Ok(()));
    }
}

#[test]
fn without_exp_the_facts_end_with_the_longest_memory() {
    // A token that never ends may have been issued long ago.
    let token = read(&answer(&[("exp", absent()), ("iat", json!(NOW - 10_000_000))])).unwrap();
    assert_eq!(token.exp, now() + LONGEST);
    let token = read(&answer(&[])).unwrap();
    assert_eq!(token.exp, Duration::from_secs(NOW + 600));
    let issuer = TrustedIssuer::new(&rules());
    let forgotten_at_once = issuer.read_introspection(answer(&[("exp", absent())]).as_bytes(), now(), Duration::ZERO);
    assert_eq!(forgotten_at_once.unwrap().exp, now());
}

#[test]
fn rfc_9068_section_2_2_without_a_resource_owner_the_client_is_the_subject() {
    let token = read(&answer(&[("sub", absent())])).unwrap();
    assert_eq!(token.subject.as_deref(), Some("client-1"));
    assert!(token.is_client_alone());
    assert!(!read(&answer(&[])).unwrap().is_client_alone());
}

#[test]
fn scopes_roles_client_and_mark_are_found_where_the_issuer_has_them() {
    let rules = IssuerRules {
        scope_pointers: vec!["/permissions".into()],
        roles_pointer: "/realm_access/roles".into(),
        client_pointers: vec!["/azp".into()],
        client_only: Some(ClientOnly { pointer: "/gty".into(), equals: json!("client-credentials") }),
        ..rules()
    };
    let text = answer(&[
        ("client_id", absent()),
        ("azp", json!("app")),
        ("permissions", json!(["items", "apps"])),
        ("realm_access", json!({"roles": ["Editor"]})),
        ("gty", json!("client-credentials")),
    ]);
    let token = read_with(&rules, &text).unwrap();
    assert_eq!((token.client.as_deref(), &*token.scope), (Some("app"), "items apps"));
    assert_eq!((&*token.roles, token.client_only), (&["Editor".into()][..], true));
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused(text in ".{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn what_does_not_say_active_is_never_taken(member in "[a-z]{1,8}", value in "(true|1|\"true\"|\"active\")") {
        prop_assume!(member != "active");
        let claims = answer(&[("active", absent())]).replacen('{', &format!("{{\"{member}\": {value}, "), 1);
        prop_assert!(read(&claims).is_err());
    }
}
