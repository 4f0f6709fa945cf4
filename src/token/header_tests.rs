use serde_json::{Value, json};

use super::TokenFault::{self, AlgNotAllowed, BadToken, BadType, UnknownKey};
use super::testing::{Signer, absent, base64url, rules, verify};
use super::{Algorithm, IssuerRules};

/// Each row sets one header member of a token that is properly signed.
fn table(rules: &IssuerRules, rows: &[(&str, Value, Result<(), TokenFault>)]) {
    let signer = Signer::es256();
    for (member, value, expected) in rows {
        let outcome = verify(rules, &[signer.key()], &signer.token(&[(*member, value.clone())], &[])).map(|_| ());
        assert_eq!(outcome, *expected, "{member} = {value}");
    }
}

#[test]
fn rfc_9068_section_2_1_typ() {
    table(
        &rules(),
        &[
            ("typ", json!("at+jwt"), Ok(())),
            ("typ", json!("application/at+jwt"), Ok(())),
            ("typ", json!("AT+JWT"), Ok(())),
            ("typ", json!("Application/At+Jwt"), Ok(())),
            ("typ", json!("JWT"), Ok(())),
            ("typ", json!("jwt"), Ok(())),
            ("typ", absent(), Ok(())),
            ("typ", json!("dpop+jwt"), Err(BadType)),
            ("typ", json!("logout+jwt"), Err(BadType)),
            ("typ", json!("secevent+jwt"), Err(BadType)),
            ("typ", json!("JWE"), Err(BadType)),
            ("typ", json!(""), Err(BadType)),
            ("typ", json!(1), Err(BadType)),
            ("typ", json!(null), Err(BadType)),
        ],
    );
}

#[test]
fn a_strict_issuer_takes_only_typed_access_tokens() {
    table(
        &IssuerRules { strict_type: true, ..rules() },
        &[
            ("typ", json!("at+jwt"), Ok(())),
            ("typ", json!("application/AT+JWT"), Ok(())),
            ("typ", json!("JWT"), Err(BadType)),
            ("typ", absent(), Err(BadType)),
        ],
    );
}

#[test]
fn rfc_7515_section_4_1_11_crit_is_refused_whatever_it_lists() {
    table(
        &rules(),
        &[
            ("crit", json!(["foo"]), Err(BadToken)),
            ("crit", json!(["b64"]), Err(BadToken)),
            ("crit", json!([]), Err(BadToken)),
            ("crit", json!(null), Err(BadToken)),
        ],
    );
}

#[test]
fn rfc_8725_section_3_10_keys_that_a_token_brings_are_ignored() {
    let other = Signer::es256();
    table(
        &rules(),
        &[
            ("jku", json!("http://127.0.0.1:1/keys"), Ok(())),
            ("x5u", json!("http://127.0.0.1:1/keys"), Ok(())),
            ("x5c", json!(["AAAA"]), Ok(())),
            ("jwk", other.jwk(), Ok(())),
        ],
    );
    let (signer, forger) = (Signer::es256(), Signer::es256());
    let forged = forger.token(&[("jwk", forger.jwk())], &[]);
    assert_eq!(verify(&rules(), &[signer.key()], &forged).map(|_| ()), Err(TokenFault::BadSignature));
}

#[test]
fn rfc_7515_section_4_1_4_kid() {
    table(
        &rules(),
        &[
            ("kid", json!("key-1"), Ok(())),
            ("kid", absent(), Ok(())),
            ("kid", json!("nope"), Err(UnknownKey)),
            ("kid", json!("KEY-1"), Err(UnknownKey)),
            ("kid", json!(""), Err(UnknownKey)),
            ("kid", json!("../../../../dev/null"), Err(UnknownKey)),
            ("kid", json!("x' UNION SELECT 'k"), Err(UnknownKey)),
            ("kid", json!(1), Err(UnknownKey)),
            ("kid", json!(["key-1"]), Err(UnknownKey)),
        ],
    );
}

#[test]
fn rfc_8725_section_3_1_alg() {
    table(
        &rules(),
        &[
            ("alg", json!("es256"), Err(AlgNotAllowed)),
            ("alg", json!("none"), Err(AlgNotAllowed)),
            ("alg", json!("NONE"), Err(AlgNotAllowed)),
            ("alg", json!(""), Err(AlgNotAllowed)),
            ("alg", json!("HS256"), Err(AlgNotAllowed)),
            ("alg", json!("ES512"), Err(AlgNotAllowed)),
            ("alg", json!("ES384"), Err(UnknownKey)),
            ("alg", json!("RS256"), Err(UnknownKey)),
            ("alg", absent(), Err(BadToken)),
            ("alg", json!(["ES256"]), Err(BadToken)),
            ("alg", json!(null), Err(BadToken)),
        ],
    );
    let only_rsa = IssuerRules { algorithms: vec![Algorithm::Rs256], ..rules() };
    table(&only_rsa, &[("alg", json!("ES256"), Err(AlgNotAllowed))]);
}

#[test]
fn rfc_9864_section_2_2_ed25519_is_eddsa() {
    let signer = Signer::new(Algorithm::EdDsa, "key-1");
    for (in_token, in_key) in
        [("EdDSA", json!("EdDSA")), ("Ed25519", json!("Ed25519")), ("Ed25519", json!("EdDSA")), ("EdDSA", absent())]
    {
        let key = super::testing::read_key(&signer.jwk_with(&[("alg", in_key)])).unwrap();
        let token = signer.token(&[("alg", json!(in_token))], &[]);
        assert!(verify(&rules(), &[key], &token).is_ok(), "{in_token}");
    }
}

#[test]
fn the_header_is_checked_before_the_claims() {
    let signer = Signer::es256();
    let order: [(&str, Value, TokenFault); 3] =
        [("alg", json!("none"), AlgNotAllowed), ("crit", json!([]), BadToken), ("typ", json!("x"), BadType)];
    for first in 0..order.len() {
        let header: Vec<_> = order[first..].iter().map(|(member, value, _)| (*member, value.clone())).collect();
        let token = signer.sign_parts(&base64url(signer.header(&header).to_string()), &base64url("[]"));
        assert_eq!(verify(&rules(), &[signer.key()], &token).map(|_| ()), Err(order[first].2));
    }
}
