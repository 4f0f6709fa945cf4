use serde_json::{Value, json};

use super::testing::{Signer, absent, base64url, read_key, rules, verify};
use super::{Algorithm, JwkSet, JwkSetFault, KeyFault, KeyId};

/// Each row changes one member of a good key.
fn table(signer: &Signer, rows: &[(&str, Value, Option<KeyFault>)]) {
    for (member, value, expected) in rows {
        let fault = read_key(&signer.jwk_with(&[(*member, value.clone())])).err();
        assert_eq!(fault, *expected, "{member} = {value}");
    }
}

#[test]
fn rfc_7517_section_4_what_a_key_says_it_is_for() {
    table(
        &Signer::es256(),
        &[
            ("use", absent(), None),
            ("use", json!("enc"), Some(KeyFault::OtherUse)),
            ("use", json!(1), Some(KeyFault::Member("use"))),
            ("key_ops", json!(["verify"]), None),
            ("key_ops", json!(["encrypt", "verify"]), None),
            ("key_ops", json!(["sign"]), Some(KeyFault::OtherOperations)),
            ("key_ops", json!([]), Some(KeyFault::OtherOperations)),
            ("key_ops", json!("verify"), Some(KeyFault::Member("key_ops"))),
            ("alg", absent(), None),
            ("alg", json!("ES384"), Some(KeyFault::OtherAlgorithm)),
            ("alg", json!("RS256"), Some(KeyFault::OtherAlgorithm)),
            ("alg", json!("ECDH-ES"), Some(KeyFault::OtherAlgorithm)),
            ("alg", json!("none"), Some(KeyFault::OtherAlgorithm)),
            ("kid", absent(), None),
            ("kid", json!(7), Some(KeyFault::Member("kid"))),
            ("kty", json!("oct"), Some(KeyFault::SharedSecret)),
            ("kty", json!("AKP"), Some(KeyFault::UnknownType)),
            ("kty", json!("ec"), Some(KeyFault::UnknownType)),
            ("kty", absent(), Some(KeyFault::Member("kty"))),
            ("x5c", json!("no array"), None),
            ("unknown", json!({"nested": [1]}), None),
        ],
    );
}

#[test]
fn rfc_7518_section_6_2_points() {
    let signer = Signer::es256();
    let x = signer.jwk()["x"].as_str().unwrap().to_owned();
    table(
        &signer,
        &[
            ("crv", json!("P-384"), Some(KeyFault::Member("x"))),
            ("crv", json!("P-521"), Some(KeyFault::UnknownCurve)),
            ("crv", json!("secp256k1"), Some(KeyFault::UnknownCurve)),
            ("crv", absent(), Some(KeyFault::Member("crv"))),
            ("y", json!(base64url([1; 32])), Some(KeyFault::OffCurve)),
            ("y", json!(base64url([0; 32])), Some(KeyFault::OffCurve)),
            ("y", json!(base64url([0xff; 32])), Some(KeyFault::OffCurve)),
            ("y", json!(base64url([1; 31])), Some(KeyFault::Member("y"))),
            ("y", json!(base64url([1; 33])), Some(KeyFault::Member("y"))),
            ("x", json!(format!("{x}=")), Some(KeyFault::Member("x"))),
            ("x", absent(), Some(KeyFault::Member("x"))),
        ],
    );
    let both_zero = signer.jwk_with(&[("x", json!(base64url([0; 32]))), ("y", json!(base64url([0; 32])))]);
    assert_eq!(read_key(&both_zero).err(), Some(KeyFault::OffCurve));
    let p384 = Signer::new(Algorithm::Es384, "k");
    table(&p384, &[("y", json!(base64url([1; 48])), Some(KeyFault::OffCurve)), ("alg", absent(), None)]);
}

#[test]
fn rfc_7518_section_6_3_rsa_sizes_and_exponents() {
    let signer = Signer::new(Algorithm::Rs256, "k");
    let modulus = |bytes: usize, last: u8| {
        let mut octets = vec![0xab; bytes];
        octets[bytes - 1] = last;
        json!(base64url(octets))
    };
    table(
        &signer,
        &[
            ("n", modulus(128, 1), Some(KeyFault::RsaSize(1024))),
            ("n", modulus(255, 1), Some(KeyFault::RsaSize(2040))),
            ("n", modulus(256, 1), None),
            ("n", modulus(256, 2), Some(KeyFault::Member("n"))),
            ("n", modulus(1024, 1), None),
            ("n", modulus(1025, 1), Some(KeyFault::RsaSize(8200))),
            ("n", json!(""), Some(KeyFault::RsaSize(0))),
            ("n", json!("!"), Some(KeyFault::Member("n"))),
            ("e", json!(base64url([3])), None),
            ("e", json!(base64url([1, 0, 1])), None),
            ("e", json!(base64url([0, 1, 0, 1])), None),
            ("e", json!(base64url([0])), Some(KeyFault::RsaExponent)),
            ("e", json!(base64url([1])), Some(KeyFault::RsaExponent)),
            ("e", json!(base64url([2])), Some(KeyFault::RsaExponent)),
            ("e", json!(base64url([4])), Some(KeyFault::RsaExponent)),
            ("e", json!(base64url([3; 9])), Some(KeyFault::RsaExponent)),
            ("e", absent(), Some(KeyFault::Member("e"))),
            ("alg", json!("PS512"), None),
            ("alg", json!("RSA-OAEP"), Some(KeyFault::OtherAlgorithm)),
            ("alg", json!("ES256"), Some(KeyFault::OtherAlgorithm)),
        ],
    );
}

#[test]
fn a_modulus_with_a_leading_zero_octet_is_the_same_key() {
    let signer = Signer::new(Algorithm::Rs256, "key-1");
    let public = super::base64url::decode(signer.jwk()["n"].as_str().unwrap()).unwrap();
    let padded = signer.jwk_with(&[("n", json!(base64url([vec![0], public].concat())))]);
    let key = read_key(&padded).unwrap();
    assert_eq!(key.identity(), signer.key().identity());
    assert!(verify(&rules(), &[key], &signer.token(&[], &[])).is_ok());
}

#[test]
fn rfc_8037_section_2_octet_key_pairs() {
    table(
        &Signer::new(Algorithm::EdDsa, "k"),
        &[
            ("crv", json!("Ed448"), Some(KeyFault::UnknownCurve)),
            ("crv", json!("X25519"), Some(KeyFault::UnknownCurve)),
            ("x", json!(base64url([1; 31])), Some(KeyFault::Member("x"))),
            ("alg", json!("Ed25519"), None),
            ("alg", json!("ES256"), Some(KeyFault::OtherAlgorithm)),
        ],
    );
}

#[test]
fn one_odd_key_never_spoils_the_set() {
    let (first, second) = (Signer::es256(), Signer::new(Algorithm::EdDsa, "key-2"));
    let (one, two) = (first.jwk().to_string(), second.jwk().to_string());
    let odd = [
        "1",
        "null",
        "[]",
        "{}",
        r#"{"kty":"oct","k":"AAAA","kid":"secret"}"#,
        r#"{"kty":"EC","kty":"EC"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"small","x5c":7}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":{"deep":{"a":1,"a":2}}}"#,
    ];
    let text = format!("{{\"keys\":[{one},{},{two}],\"more\":true}}", odd.join(","));
    let set = JwkSet::read(text.as_bytes()).unwrap();
    assert_eq!(set.keys.iter().map(|key| key.id().unwrap()).collect::<Vec<_>>(), ["key-1", "key-2"]);
    let skipped: Vec<_> = set.skipped.iter().map(|key| (key.position, key.id.as_deref(), key.fault)).collect();
    assert_eq!(
        skipped,
        [
            (1, None, KeyFault::NotAnObject),
            (2, None, KeyFault::NotAnObject),
            (3, None, KeyFault::NotAnObject),
            (4, None, KeyFault::Member("kty")),
            (5, Some("secret"), KeyFault::SharedSecret),
            (6, None, KeyFault::RepeatedMember),
            (7, Some("small"), KeyFault::RsaSize(17)),
            (8, None, KeyFault::RepeatedMember),
        ]
    );
}

#[test]
fn rfc_7517_section_5_what_is_no_set() {
    for (text, fault) in [
        ("", JwkSetFault::NotJson),
        ("<html>", JwkSetFault::NotJson),
        ("{\"keys\":[]} x", JwkSetFault::NotJson),
        ("[]", JwkSetFault::NotAnObject),
        ("{\"keys\":[],\"keys\":[]}", JwkSetFault::NotAnObject),
        ("{}", JwkSetFault::NoKeys),
        ("{\"keys\":{}}", JwkSetFault::NoKeys),
    ] {
        assert_eq!(JwkSet::read(text.as_bytes()).err(), Some(fault), "{text}");
    }
    assert!(JwkSet::read(b"{\"keys\":[]}").unwrap().keys.is_empty());
    assert_eq!(JwkSet::read(&b"[".repeat(1 << 20)).err(), Some(JwkSetFault::NotJson));
}

#[test]
fn a_key_fits_by_name_and_algorithm() {
    let key = Signer::es256().key();
    let named = |id: &str| KeyId::Named(id.into());
    for (algorithm, id, expected) in [
        (Algorithm::Es256, named("key-1"), true),
        (Algorithm::Es256, KeyId::Absent, true),
        (Algorithm::Es256, named("key-2"), false),
        (Algorithm::Es256, KeyId::Malformed, false),
        (Algorithm::Es384, named("key-1"), false),
    ] {
        assert_eq!(key.fits(algorithm, &id), expected, "{algorithm} {id:?}");
    }
    let nameless = read_key(&Signer::es256().jwk_with(&[("kid", absent())])).unwrap();
    assert!(nameless.fits(Algorithm::Es256, &KeyId::Absent) && !nameless.fits(Algorithm::Es256, &named("")));
}

#[test]
fn a_key_without_alg_takes_every_algorithm_of_its_type() {
    let any = read_key(&Signer::new(Algorithm::Rs256, "key-1").jwk_with(&[("alg", absent())])).unwrap();
    for algorithm in Algorithm::ALL {
        let expected = !matches!(algorithm, Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa);
        assert_eq!(any.fits(algorithm, &KeyId::Absent), expected, "{algorithm}");
        if expected {
            let token = Signer::new(algorithm, "key-1").token(&[], &[]);
            assert!(verify(&rules(), std::slice::from_ref(&any), &token).is_ok(), "{algorithm}");
        }
    }
}

#[test]
fn identity_is_name_algorithms_and_material() {
    let signer = Signer::new(Algorithm::Rs256, "k");
    let of = |changes: super::testing::Changes<'_>| read_key(&signer.jwk_with(changes)).unwrap().identity();
    assert_eq!(of(&[]), of(&[("x5t", json!("other")), ("use", absent())]));
    assert_ne!(of(&[]), of(&[("kid", json!("k2"))]));
    assert_ne!(of(&[]), of(&[("kid", absent())]));
    assert_ne!(of(&[("kid", json!(""))]), of(&[("kid", absent())]));
    assert_ne!(of(&[]), of(&[("alg", json!("PS256"))]));
    assert_ne!(of(&[]), of(&[("e", json!(base64url([3])))]));
}
