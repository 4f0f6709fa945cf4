//! `jsonwebtoken` as an oracle: what is accepted here it accepts too, and on signatures both agree.

use base64::Engine as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{AUDIENCE, ISSUER, NOW, Signer, absent, read_key, rules, verify};
use super::{Algorithm, TokenFault};

fn theirs(jwk: &Value, algorithm: Algorithm, token: &str) -> bool {
    let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let mut validation = Validation::new(algorithm.as_str().parse().unwrap());
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE, "urn:second"]);
    // Its clock is the system's, not ours: times are compared by the tables of this room.
    validation.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).is_ok()
}

#[test]
fn both_agree_on_the_signatures_of_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let (signer, jwk) = (Signer::new(algorithm, "key-1"), Signer::new(algorithm, "key-1").jwk());
        let token = signer.token(&[], &[]);
        assert!(theirs(&signer.jwk(), algorithm, &token), "{algorithm}");
        assert!(verify(&rules(), &[signer.key()], &token).is_ok(), "{algorithm}");
        // An RSA pair is shared by all signers, so that only the other types have a second key here.
        let other = read_key(&jwk).unwrap();
        assert_eq!(verify(&rules(), &[other], &token).is_ok(), theirs(&jwk, algorithm, &token), "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            bytes[at] ^= 1;
            let changed = format!("{signed}.{}", super::testing::base64url(&bytes));
            assert!(!theirs(&signer.jwk(), algorithm, &changed), "{algorithm}");
            assert_eq!(verify(&rules(), &[signer.key()], &changed).map(|_| ()), Err(TokenFault::BadSignature));
            bytes[at] ^= 1;
        }
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(absent()),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (NOW - 10..NOW + 10).prop_map(Value::from),
        Just(json!(1e300)),
        Just(json!(ISSUER)),
        Just(json!([ISSUER])),
        Just(json!(AUDIENCE)),
        Just(json!(["x", AUDIENCE])),
        Just(json!({"a": 1})),
        "[a-z:. ]{0,8}".prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_accepted_here_is_accepted_there(
        header in proptest::collection::vec((proptest::sample::select(vec!["typ", "kid", "crit"]), odd_value()), 0..2),
        claims in proptest::collection::vec(
            (proptest::sample::select(vec!["iss", "aud", "exp", "nbf", "iat", "sub", "client_id", "azp", "jti", "scope", "cnf"]), odd_value()),
            0..3,
        ),
    ) {
        let signer = Signer::es256();
        let token = signer.token(&header, &claims);
        if verify(&rules(), &[signer.key()], &token).is_ok() {
            prop_assert!(theirs(&signer.jwk(), Algorithm::Es256, &token), "{header:?} {claims:?}");
        }
    }

    #[test]
    fn changed_tokens_are_refused_by_both_or_by_us_alone(at in any::<proptest::sample::Index>(), to in "[A-Za-z0-9._-]") {
        let signer = Signer::es256();
        let good = signer.token(&[], &[]);
        let at = at.index(good.len());
        let mut token = good;
        token.replace_range(at..=at, &to);
        let ours = verify(&rules(), &[signer.key()], &token).is_ok();
        prop_assert!(!ours || theirs(&signer.jwk(), Algorithm::Es256, &token));
    }
}
