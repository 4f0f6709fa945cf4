//! JWK Sets (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::token::{JwkSet, VerificationKey};

/// The whole input is a set.
///
/// * Every key of the set is either usable or left out with its place, in the order of the set.
/// * A usable key is public, says nowhere that it is for something else, has the size that its type demands, and is the same key
///   when it stands alone.
/// * `jsonwebtoken` can use what can be used here.
pub fn key_set(bytes: &[u8]) {
    let Ok(set) = JwkSet::read(bytes) else { return };
    let text: Value = serde_json::from_slice(bytes).expect("what was read is JSON");
    let entries = text["keys"].as_array().expect("`keys` is an array");
    assert_eq!(set.keys.len() + set.skipped.len(), entries.len());
    assert!(set.skipped.is_sorted_by_key(|skipped| skipped.position));
    let usable = (0..entries.len()).filter(|position| set.skipped.iter().all(|skipped| skipped.position != *position));
    for (key, position) in set.keys.iter().zip(usable) {
        is_usable(key, &entries[position]);
    }
}

fn is_usable(key: &VerificationKey, entry: &Value) {
    assert_eq!(key.id(), entry.get("kid").map(|id| id.as_str().unwrap()));
    assert!(entry.get("use").is_none_or(|purpose| purpose == "sig"), "{entry}");
    let verifies = |operations: &Value| operations.as_array().unwrap().iter().any(|operation| operation == "verify");
    assert!(entry.get("key_ops").is_none_or(verifies), "{entry}");
    let octets = |name: &str| URL_SAFE_NO_PAD.decode(entry[name].as_str().unwrap()).unwrap();
    let algorithm = entry.get("alg").map(|algorithm| algorithm.as_str().unwrap());
    match (entry["kty"].as_str(), entry["crv"].as_str()) {
        (Some("RSA"), _) => {
            let modulus = octets("n").into_iter().skip_while(|octet| *octet == 0).count();
            assert!((256..=1024).contains(&modulus), "{modulus} octets");
            assert!(algorithm.is_none_or(|name| name.starts_with("RS") || name.starts_with("PS")), "{entry}");
        }
        (Some("EC"), Some("P-256")) => assert!(octets("x").len() == 32 && algorithm.is_none_or(|name| name == "ES256")),
        (Some("EC"), Some("P-384")) => assert!(octets("x").len() == 48 && algorithm.is_none_or(|name| name == "ES384")),
        (Some("OKP"), Some("Ed25519")) => {
            assert!(octets("x").len() == 32 && algorithm.is_none_or(|name| name == "EdDSA"));
        }
        other => panic!("{other:?} is used"),
    }
    let alone = JwkSet::read(json!({"keys": [entry]}).to_string().as_bytes()).unwrap();
    assert_eq!(alone.keys.first().map(VerificationKey::identity), Some(key.identity()));
    if let Ok(theirs) = serde_json::from_value::<jsonwebtoken::jwk::Jwk>(entry.clone()) {
        assert!(jsonwebtoken::DecodingKey::from_jwk(&theirs).is_ok(), "{entry}");
    }
}
