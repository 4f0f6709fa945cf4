use std::time::Duration;

use serde_json::{Value, json};

use super::TokenFault::{self, BadAudience, BadClaims, BadType, Expired, NotYetValid, SenderConstraint, UnknownIssuer};
use super::testing::{AUDIENCE, Changes, ISSUER, NOW, Signer, absent, rules, verify};
use super::{ClientOnly, IssuerRules, NameDigest, VerifiedToken};

fn with(rules: &IssuerRules, claims: Changes<'_>) -> Result<VerifiedToken, TokenFault> {
    let signer = Signer::es256();
    verify(rules, &[signer.key()], &signer.token(&[], claims))
}

fn with_raw(claims: &str) -> Result<VerifiedToken, TokenFault> {
    let signer = Signer::es256();
    let text = signer.claims(&[("exp", absent())]).to_string().replacen('{', &format!("{{{claims},"), 1);
    verify(&rules(), &[signer.key()], &signer.sign_texts(&signer.header(&[]).to_string(), &text))
}

/// Each row sets one claim.
fn table(rows: &[(&str, Value, Result<(), TokenFault>)]) {
    for (claim, value, expected) in rows {
        let outcome = with(&rules(), &[(*claim, value.clone())]).map(|_| ());
        assert_eq!(outcome, *expected, "{claim} = {value}");
    }
}

#[test]
fn rfc_7519_section_4_1_4_exp() {
    table(&[
        ("exp", json!(NOW + 30), Ok(())),
        ("exp", json!(NOW as f64 + 999.5), Ok(())),
        ("exp", json!(NOW as f64 + 0.5), Ok(())),
        ("exp", json!(NOW), Err(Expired)),
        ("exp", json!(NOW - 2), Err(Expired)),
        ("exp", json!(0), Err(Expired)),
        ("exp", json!(-1), Err(BadClaims)),
        ("exp", json!(-0.5), Err(BadClaims)),
        ("exp", json!(1e300), Err(BadClaims)),
        ("exp", json!(9_007_199_254_740_992_u64), Err(BadClaims)),
        ("exp", json!(u64::MAX), Err(BadClaims)),
        ("exp", absent(), Err(BadClaims)),
        ("exp", json!((NOW + 999).to_string()), Err(BadClaims)),
        ("exp", json!(true), Err(BadClaims)),
        ("exp", json!(null), Err(BadClaims)),
        ("exp", json!([NOW + 999]), Err(BadClaims)),
    ]);
    assert_eq!(with_raw(&format!("\"exp\":{}.0e0", NOW + 9)).map(|token| token.exp.as_secs()), Ok(NOW + 9));
    assert_eq!(with_raw("\"exp\":1e400").map(|_| ()), Err(TokenFault::BadToken));
}

#[test]
fn rfc_7519_sections_4_1_5_and_4_1_6_nbf_and_iat() {
    table(&[
        ("nbf", json!(NOW - 3600), Ok(())),
        ("nbf", json!(NOW + 5), Ok(())),
        ("nbf", json!(NOW as f64 + 5.001), Err(NotYetValid)),
        ("nbf", json!(NOW + 3600), Err(NotYetValid)),
        ("nbf", json!("x"), Err(BadClaims)),
        ("nbf", json!(null), Err(BadClaims)),
        ("iat", absent(), Ok(())),
        ("iat", json!(NOW + 5), Ok(())),
        ("iat", json!(NOW + 6), Err(NotYetValid)),
        ("iat", json!(NOW + 86_400), Err(NotYetValid)),
        ("iat", json!("x"), Err(BadClaims)),
        ("iat", json!(-1), Err(BadClaims)),
        ("iat", json!(NOW + 7_200 - 86_400), Ok(())),
        ("iat", json!(NOW + 7_199 - 86_400), Err(BadClaims)),
    ]);
}

#[test]
fn rfc_7519_section_4_1_1_iss_is_compared_byte_for_byte() {
    table(&[
        ("iss", json!(ISSUER), Ok(())),
        ("iss", json!("https://evil.test"), Err(UnknownIssuer)),
        ("iss", json!(format!("{ISSUER}/")), Err(UnknownIssuer)),
        ("iss", json!(ISSUER.to_uppercase()), Err(UnknownIssuer)),
        ("iss", json!(""), Err(UnknownIssuer)),
        ("iss", absent(), Err(BadClaims)),
        ("iss", json!([ISSUER]), Err(BadClaims)),
        ("iss", json!(null), Err(BadClaims)),
    ]);
}

#[test]
fn rfc_7519_section_4_1_3_aud() {
    table(&[
        ("aud", json!(AUDIENCE), Ok(())),
        ("aud", json!("urn:second"), Ok(())),
        ("aud", json!(["x", AUDIENCE]), Ok(())),
        ("aud", json!("x"), Err(BadAudience)),
        ("aud", json!(""), Err(BadAudience)),
        ("aud", json!([]), Err(BadAudience)),
        ("aud", json!(format!("{AUDIENCE}.evil")), Err(BadAudience)),
        ("aud", json!(format!("{AUDIENCE}/")), Err(BadAudience)),
        ("aud", absent(), Err(BadAudience)),
        ("aud", json!({AUDIENCE: 1}), Err(BadClaims)),
        ("aud", json!([AUDIENCE, 1]), Err(BadClaims)),
        ("aud", json!(1), Err(BadClaims)),
        ("aud", json!(null), Err(BadClaims)),
        ("aud", json!([[AUDIENCE]]), Err(BadClaims)),
    ]);
}

#[test]
fn rfc_9068_section_2_2_identity() {
    table(&[
        ("sub", absent(), Err(BadClaims)),
        ("sub", json!(7), Err(BadClaims)),
        ("sub", json!(null), Err(BadClaims)),
        ("sub", json!(""), Err(BadClaims)),
        ("client_id", absent(), Err(BadClaims)),
        ("client_id", json!(7), Err(BadClaims)),
        ("client_id", json!(""), Err(BadClaims)),
        ("client_id", json!(null), Err(BadClaims)),
        ("azp", json!("client-1"), Ok(())),
        ("azp", json!("client-2"), Err(BadClaims)),
        ("azp", json!(null), Err(BadClaims)),
        ("jti", absent(), Ok(())),
        ("jti", json!(7), Err(BadClaims)),
    ]);
    let by_azp = with(&rules(), &[("client_id", absent()), ("azp", json!("c"))]).unwrap();
    assert_eq!(by_azp.client.as_deref(), Some("c"));
}

#[test]
fn only_a_client_that_acts_alone_may_lack_sub() {
    let robot = with(&rules(), &[("sub", absent()), ("client_id", json!("robot"))]).unwrap();
    assert_eq!((robot.subject.as_deref(), robot.is_client_alone()), (None, true));
    for sub in [json!(null), json!("")] {
        assert_eq!(with(&rules(), &[("sub", sub), ("client_id", json!("robot"))]).map(|_| ()), Err(BadClaims));
    }
}

#[test]
fn rfc_7800_section_3_1_a_bound_token_is_no_bearer_token() {
    table(&[
        ("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), Err(SenderConstraint)),
        ("cnf", json!({"x5t#S256": "abc"}), Err(SenderConstraint)),
        ("cnf", json!({}), Err(SenderConstraint)),
        ("cnf", json!(null), Err(SenderConstraint)),
    ]);
}

#[test]
fn an_id_token_is_no_access_token() {
    let signer = Signer::es256();
    let check = |header: Changes<'_>, claims: Changes<'_>| {
        verify(&rules(), &[signer.key()], &signer.token(header, claims)).map(|_| ())
    };
    for typ in [json!("JWT"), absent()] {
        assert_eq!(check(&[("typ", typ.clone())], &[]), Ok(()));
        assert_eq!(check(&[("typ", typ.clone())], &[("nonce", json!("n"))]), Err(BadType));
        assert_eq!(check(&[("typ", typ)], &[("at_hash", json!("h"))]), Err(BadType));
    }
    assert_eq!(check(&[], &[("nonce", json!("n"))]), Ok(()));
}

#[test]
fn rfc_6749_section_3_3_scope_claims_are_united() {
    let scope = |claims: Changes<'_>| with(&rules(), claims).map(|token| token.scope.into_string());
    for (name, claims, expected) in [
        ("several", vec![("scope", json!("a items:read b"))], Ok("a items:read b")),
        ("array", vec![("scope", json!(["items:read", "b"]))], Ok("items:read b")),
        ("scp as an array", vec![("scope", absent()), ("scp", json!(["items:read"]))], Ok("items:read")),
        ("scp as a string", vec![("scope", absent()), ("scp", json!("items:read"))], Ok("items:read")),
        ("both", vec![("scope", json!("other")), ("scp", json!(["items:read"]))], Ok("other items:read")),
        ("absent", vec![("scope", absent())], Ok("")),
        ("empty", vec![("scope", json!(""))], Ok("")),
        ("empty array", vec![("scope", json!([]))], Ok("")),
        ("empty pieces", vec![("scope", json!("  items:read  x "))], Ok("items:read x")),
        ("a tab is no separator", vec![("scope", json!("x\titems:read"))], Ok("x\titems:read")),
        ("a comma is no separator", vec![("scope", json!("x,items:read"))], Ok("x,items:read")),
        ("other claims", vec![("scope", absent()), ("scopes", json!(["x"])), ("permissions", json!(["x"]))], Ok("")),
        ("number", vec![("scope", json!(1))], Err(BadClaims)),
        ("object", vec![("scope", json!({"items:read": true}))], Err(BadClaims)),
        ("null", vec![("scope", json!(null))], Err(BadClaims)),
        ("true", vec![("scope", json!(true))], Err(BadClaims)),
        ("nested array", vec![("scope", json!([["items:read"]]))], Err(BadClaims)),
        ("array with a number", vec![("scope", json!(["items:read", 1]))], Err(BadClaims)),
        ("array with null", vec![("scope", json!(["items:read", null]))], Err(BadClaims)),
        ("good scope, bad scp", vec![("scp", json!(null))], Err(BadClaims)),
    ] {
        assert_eq!(scope(&claims), expected.map(str::to_owned), "{name}");
    }
}

#[test]
fn roles_are_an_array_or_one_string() {
    let nested = IssuerRules { roles_pointer: "/realm_access/roles".into(), ..rules() };
    for (claim, value, expected) in [
        ("roles", json!(["a", "b"]), Ok(vec!["a", "b"])),
        ("roles", json!("Tenant Admin"), Ok(vec!["Tenant Admin"])),
        ("roles", json!([]), Ok(vec![])),
        ("roles", absent(), Ok(vec![])),
        ("roles", json!(null), Err(BadClaims)),
        ("roles", json!(["a", 1]), Err(BadClaims)),
        ("roles", json!({"a": 1}), Err(BadClaims)),
    ] {
        let roles = with(&rules(), &[(claim, value.clone())]).map(|token| token.roles);
        let expected = expected.map(|names| names.into_iter().map(Into::into).collect());
        assert_eq!(roles, expected, "{value}");
    }
    let token = with(&nested, &[("realm_access", json!({"roles": ["x"]}))]).unwrap();
    assert_eq!(&*token.roles, ["x".into()]);
}

#[test]
fn the_issuers_mark_says_that_no_user_stands_behind() {
    let mark = ClientOnly { pointer: "/gty".into(), equals: json!("client-credentials") };
    let marking = IssuerRules { client_only: Some(mark), ..rules() };
    for (value, expected) in [
        (json!("client-credentials"), true),
        (json!("password"), false),
        (json!(["client-credentials"]), false),
        (absent(), false),
    ] {
        assert_eq!(with(&marking, &[("gty", value)]).unwrap().client_only, expected);
    }
}

#[test]
fn facts_are_what_the_token_says() {
    let token = with(&rules(), &[("nbf", json!(NOW - 1)), ("roles", json!(["r"]))]).unwrap();
    let expected = VerifiedToken {
        issuer: ISSUER.into(),
        subject: Some("user-1".into()),
        client: Some("client-1".into()),
        scope: "items:read".into(),
        roles: Box::from(["r".into()]),
        exp: Duration::from_secs(NOW + 7_200),
        nbf: Some(Duration::from_secs(NOW - 1)),
        iat: Some(Duration::from_secs(NOW - 60)),
        jti: Some(NameDigest::of(&["1"])),
        client_only: false,
    };
    assert!(token == expected);
    assert_eq!(with(&rules(), &[("jti", absent())]).unwrap().jti, None);
}

#[test]
fn the_first_failing_check_names_the_fault() {
    let order: [(&str, Value, TokenFault); 5] = [
        ("iss", json!("https://evil.test"), UnknownIssuer),
        ("exp", json!(NOW - 1), Expired),
        ("aud", json!("x"), BadAudience),
        ("sub", json!(7), BadClaims),
        ("cnf", json!({}), SenderConstraint),
    ];
    for first in 0..order.len() {
        let claims: Vec<_> = order[first..].iter().map(|(claim, value, _)| (*claim, value.clone())).collect();
        assert_eq!(with(&rules(), &claims).map(|_| ()), Err(order[first].2));
    }
}
