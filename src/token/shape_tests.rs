use proptest::prelude::*;
use serde_json::json;

use super::TokenFault::{self, AlgNotAllowed, BadSignature, BadToken, UnknownIssuer};
use super::testing::{Signer, base64url, fields, rules, verify};
use super::{Algorithm, BearerToken, CredentialFault, JwtParts};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `text` with spaces behind it, so that its length leaves `remainder` modulo 3.
fn sized(text: &str, remainder: usize) -> String {
    let spaces = (remainder + 3 - text.len() % 3) % 3;
    format!("{text}{}", " ".repeat(spaces))
}

fn with_trailing_bit(part: &str) -> String {
    let (body, last) = part.split_at(part.len() - 1);
    let position = ALPHABET.find(last).unwrap() | 1;
    format!("{body}{}", ALPHABET.get(position..=position).unwrap())
}

/// Each row is a token as `signer` or a forger wrote it.
fn table(signer: &Signer, rows: &[(&str, String, Result<(), TokenFault>)]) {
    for (name, token, expected) in rows {
        assert_eq!(verify(&rules(), &[signer.key()], token).map(|_| ()), *expected, "{name}");
    }
}

#[test]
fn rfc_7515_section_7_1_three_parts_that_belong_together() {
    let signer = Signer::es256();
    let good = signer.token(&[], &[]);
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let other = signer.token(&[], &[("scope", json!("admin.items"))]);
    let other_payload = other.split('.').nth(1).unwrap();
    table(
        &signer,
        &[
            ("good", good.clone(), Ok(())),
            ("signature missing", format!("{header}.{payload}."), Err(BadToken)),
            ("header missing", format!(".{payload}.{signature}"), Err(BadToken)),
            ("payload missing", format!("{header}..{signature}"), Err(BadToken)),
            ("two parts", format!("{header}.{payload}"), Err(UnknownIssuer)),
            ("one part", "garbage".into(), Err(UnknownIssuer)),
            ("four parts", format!("{good}.x"), Err(UnknownIssuer)),
            ("five parts", format!("{good}.a.b"), Err(UnknownIssuer)),
            ("only dots", ".".repeat(6_000), Err(UnknownIssuer)),
            ("opaque with padding", "abc==".into(), Err(UnknownIssuer)),
            ("claims of another token", format!("{header}.{other_payload}.{signature}"), Err(BadSignature)),
            ("signature all zero", format!("{header}.{payload}.{}", base64url([0; 64])), Err(BadSignature)),
            ("short signature in DER", format!("{header}.{payload}.MAYCAQECAQE"), Err(BadSignature)),
        ],
    );
}

#[test]
fn rfc_7515_section_2_each_part_is_canonical_base64url() {
    let signer = Signer::es256();
    let good = signer.token(&[], &[]);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let long_header = base64url(sized(&signer.header(&[]).to_string(), 2));
    let long_payload = base64url(sized(&signer.claims(&[]).to_string(), 1));
    table(
        &signer,
        &[
            ("header of that length", signer.sign_parts(&long_header, payload), Ok(())),
            ("payload of that length", signer.sign_parts(header, &long_payload), Ok(())),
            ("payload with trailing bits", signer.sign_parts(header, &with_trailing_bit(&long_payload)), Err(BadToken)),
            ("signature with padding", format!("{good}=="), Err(BadToken)),
            ("signature with trailing bits", format!("{signed}.{}", with_trailing_bit(signature)), Err(BadToken)),
            ("signature in the plain alphabet", format!("{signed}.+{}", signature.get(1..).unwrap()), Err(BadToken)),
        ],
    );
    for padded in [
        signer.sign_parts(&format!("{long_header}="), payload),
        signer.sign_parts(header, &format!("{long_payload}==")),
    ] {
        let fields = fields(&padded);
        assert_eq!(BearerToken::from_fields(&fields, 65_536).err(), Some(CredentialFault::MalformedToken));
    }
}

#[test]
fn rfc_7518_section_3_4_a_der_signature_is_refused_even_a_right_one() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y), "kid": "key-1"});
    let fixed = Signer::es256();
    let token = fixed.token(&[], &[]);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let der = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", base64url(der));
    let key = super::testing::read_key(&jwk).unwrap();
    assert_eq!(verify(&rules(), &[key], &token).map(|_| ()), Err(BadSignature));
}

#[test]
fn rfc_7519_section_7_2_the_texts_are_strict_json() {
    let signer = Signer::es256();
    let (header, claims) = (signer.header(&[]).to_string(), signer.claims(&[]).to_string());
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    for (name, header, claims) in [
        ("duplicate claim", header.clone(), twice(&claims, r#""scope":"items:read""#)),
        ("duplicate claim, escaped", header.clone(), twice(&claims, r#""sc\u006fpe":"admin""#)),
        ("nested duplicate", header.clone(), twice(&claims, r#""act":{"sub":"a","sub":"b"}"#)),
        ("duplicate header member", twice(&header, r#""alg":"ES256""#), claims.clone()),
        ("claims: array", header.clone(), "[]".into()),
        ("claims: null", header.clone(), "null".into()),
        ("claims: string", header.clone(), "\"x\"".into()),
        ("claims: cut off", header.clone(), claims.trim_end_matches('}').into()),
        ("claims: followed by more", header.clone(), format!("{claims}{{}}")),
        ("header: array", "[]".into(), claims.clone()),
        ("header: followed by more", format!("{header} x"), claims.clone()),
        ("nested 1500 deep", header.clone(), format!("{}1{}", "{\"a\":".repeat(1_500), "}".repeat(1_500))),
        ("header nested 1500 deep", format!("{}1{}", "{\"a\":".repeat(1_500), "}".repeat(1_500)), claims.clone()),
        ("byte order mark", header.clone(), format!("\u{feff}{claims}")),
        ("lone surrogate", header.clone(), twice(&claims, r#""x":"\ud800""#)),
    ] {
        let outcome = verify(&rules(), &[signer.key()], &signer.sign_texts(&header, &claims));
        assert_eq!(outcome.map(|_| ()), Err(BadToken), "{name}");
    }
    let invalid_utf_8 = signer.sign_parts(&base64url(&header), &base64url(b"{\"iss\":\"\xff\"}"));
    assert_eq!(verify(&rules(), &[signer.key()], &invalid_utf_8).map(|_| ()), Err(BadToken));
}

#[test]
fn cve_2016_5431_a_public_key_is_no_shared_secret() {
    use aws_lc_rs::hmac;
    let signer = Signer::es256();
    let jwk = signer.jwk();
    let signed = format!(
        "{}.{}",
        base64url(signer.header(&[("alg", json!("HS256"))]).to_string()),
        base64url(signer.claims(&[]).to_string())
    );
    for secret in [jwk.to_string().as_bytes(), jwk["x"].as_str().unwrap().as_bytes(), b"", b"\0"] {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        let token = format!("{signed}.{}", base64url(mac));
        assert_eq!(verify(&rules(), &[signer.key()], &token).map(|_| ()), Err(AlgNotAllowed));
    }
}

#[test]
fn every_algorithm_verifies_with_its_own_key_and_no_other() {
    let signers: Vec<Signer> = Algorithm::ALL.into_iter().map(|algorithm| Signer::new(algorithm, "key-1")).collect();
    for signer in &signers {
        let token = signer.token(&[], &[]);
        for other in &signers {
            let outcome = verify(&rules(), &[other.key()], &token).map(|_| ());
            let expected = if signer.algorithm == other.algorithm { Ok(()) } else { Err(TokenFault::UnknownKey) };
            assert_eq!(outcome, expected, "{} by a key for {}", signer.algorithm, other.algorithm);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_changed_byte_is_never_accepted(position in any::<proptest::sample::Index>(), to in "[A-Za-z0-9._-]") {
        let signer = Signer::es256();
        let good = signer.token(&[], &[]);
        let at = position.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != good);
        prop_assert!(verify(&rules(), &[signer.key()], &changed).is_err());
    }

    #[test]
    fn any_text_is_answered(text in "[A-Za-z0-9._~+/-]{1,40}") {
        let fields = fields(&text);
        if let Ok(parts) = JwtParts::split(BearerToken::from_fields(&fields, 100).unwrap()) {
            let _ = parts.read();
        }
    }
}
