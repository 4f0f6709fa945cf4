//! Bearer tokens and JWTs: what is believed is what the text says, to another parser as well.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use super::lines::Lines;
use crate::token::{
    Algorithm, BearerToken, IssuerRules, JwkSet, JwtParts, TokenFault, TrustedIssuer, VerificationKey, VerifiedToken,
};

pub(super) const ISSUER: &str = "https://as.test/main";
pub(super) const AUDIENCE: &str = "https://api.test";
/// Seconds since the Unix epoch.
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const LEEWAY: u64 = 5;
const LONGEST_TOKEN: usize = 4096;

/// Lines: the value of `Authorization`; a JOSE header; everything behind it is the claims, and both are signed.
///
/// * A token that is taken out of a field is one b64token behind the scheme and spaces, and nothing else stands there.
/// * Only three canonical parts are read as a JWT.
/// * Who is believed has said so once and for all readers: algorithm, type, issuer, audience, times and binding are checked again
///   on what `serde_json` reads.
/// * `jsonwebtoken` accepts what is accepted here, and reads the same subject, client, scope and end.
/// * One changed byte of the signature refuses the token.
pub fn token(bytes: &[u8]) {
    let mut lines = Lines::of(bytes);
    let (credentials, header) = (lines.line(), lines.line());
    shown(credentials);
    let claims = lines.rest();
    if header.is_empty() || header.len() + claims.len() > LONGEST_TOKEN / 2 {
        return;
    }
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    // A signature is only made where anything depends on it.
    if verify(&format!("{signed}.AA")) != Err(TokenFault::BadSignature) {
        return;
    }
    let (pair, _, _) = key();
    let signature = pair.sign(signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    let facts = verify(&token).unwrap_or_else(|fault| panic!("a good signature: {fault:?}"));
    let (header, claims) = (json(header), json(claims));
    is_believed_rightly(&header, &claims, &facts);
    is_theirs(&token, &facts);
    let mut other = signature.as_ref().to_vec();
    other[usize::from(bytes[0]) % 64] ^= 1;
    assert_eq!(verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(other))), Err(TokenFault::BadSignature));
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("what was believed is JSON")
}

/// A value of `Authorization` as it may be sent.
fn shown(credentials: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(credentials) else { return };
    let fields = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let Ok(token) = BearerToken::from_fields(&fields, LONGEST_TOKEN) else { return };
    let text = token.as_str();
    let before = credentials.strip_suffix(text.as_bytes()).expect("the token is the last of the value");
    assert!(
        before
            .to_ascii_lowercase()
            .strip_prefix(b"bearer")
            .is_some_and(|spaces| !spaces.is_empty() && spaces.trim_ascii().is_empty())
    );
    let body = text.trim_end_matches('=');
    assert!(!body.is_empty() && text.len() <= LONGEST_TOKEN);
    assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)), "{text}");
    assert_eq!(BearerToken::from_text(text, LONGEST_TOKEN).unwrap().as_str(), text);
    let Ok(parts) = JwtParts::split(token) else { return };
    assert!(token.is_compact_jws());
    let decoded = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)));
    assert_eq!(decoded.collect::<Result<Vec<_>, _>>().unwrap().join("."), text);
    if let Ok(jwt) = parts.read() {
        let issuer = issuer();
        let _ = jwt.check(Some(issuer), Duration::from_secs(NOW), |_| true);
        assert!(jwt.check(None, Duration::from_secs(NOW), |_| true).is_err(), "a stranger's token");
    }
}

pub(super) fn issuer() -> &'static TrustedIssuer {
    static ISSUER_OF_ALL: OnceLock<TrustedIssuer> = OnceLock::new();
    ISSUER_OF_ALL.get_or_init(|| {
        TrustedIssuer::new(&IssuerRules {
            issuer: ISSUER.to_owned(),
            audience: vec![AUDIENCE.to_owned()],
            algorithms: Algorithm::ALL.into(),
            strict_type: false,
            leeway: Duration::from_secs(LEEWAY),
            max_lifetime: Duration::from_secs(86_400),
            scope_pointers: vec!["/scope".to_owned(), "/scp".to_owned()],
            roles_pointer: "/roles".to_owned(),
            client_pointers: vec!["/client_id".to_owned(), "/azp".to_owned()],
            client_only: None,
        })
    })
}

/// One key, always the same: as who signs has it, as it is read here and as `jsonwebtoken` reads it.
fn key() -> &'static (Ed25519KeyPair, VerificationKey, DecodingKey) {
    static KEY: OnceLock<(Ed25519KeyPair, VerificationKey, DecodingKey)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let point = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": point, "kid": "key-1", "alg": "EdDSA", "use": "sig"});
        let mut set = JwkSet::read(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
        let theirs = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
        (pair, set.keys.pop().unwrap(), theirs)
    })
}

/// Everything that the gateway checks of a token, with one issuer and one key.
fn verify(token: &str) -> Result<VerifiedToken, TokenFault> {
    let parts = JwtParts::split(BearerToken::from_text(token, LONGEST_TOKEN).unwrap())?;
    let jwt = parts.read()?;
    let issuer = Some(issuer()).filter(|issuer| jwt.issuer() == Some(&**issuer.name()));
    let unverified = jwt.check(issuer, Duration::from_secs(NOW), |client| client == "robot")?;
    let (_, key, _) = key();
    if !key.fits(unverified.algorithm(), unverified.key_id()) {
        return Err(TokenFault::UnknownKey);
    }
    unverified.verify([key]).map(|(facts, _)| facts)
}

fn is_believed_rightly(header: &Value, claims: &Value, facts: &VerifiedToken) {
    assert_eq!(header["alg"], "EdDSA");
    assert!(header.get("crit").is_none(), "{header}");
    assert!(header.get("kid").is_none_or(|id| id == "key-1"), "{header}");
    let typ = header.get("typ").map(|typ| typ.as_str().expect("a type is a text").to_ascii_lowercase());
    match typ.as_deref() {
        Some("at+jwt" | "application/at+jwt") => {}
        None | Some("jwt") => assert!(claims.get("nonce").is_none() && claims.get("at_hash").is_none(), "an ID token"),
        Some(other) => panic!("type `{other}`"),
    }
    assert_eq!((claims["iss"].as_str(), &*facts.issuer), (Some(ISSUER), ISSUER));
    assert_eq!(facts.exp.as_secs_f64(), claims["exp"].as_f64().unwrap());
    are_facts(claims, facts);
    let subject = claims.get("sub").map(|subject| subject.as_str().unwrap());
    assert_eq!(facts.subject.as_deref(), subject);
    assert!(subject.is_some_and(|subject| !subject.is_empty()) || facts.client.as_deref() == Some("robot"));
}

/// What holds of a token's claims and of an answer about a token alike.
pub(super) fn are_facts(claims: &Value, facts: &VerifiedToken) {
    let audience = &claims["aud"];
    assert!(
        audience == AUDIENCE || audience.as_array().is_some_and(|names| names.iter().any(|name| name == AUDIENCE)),
        "{audience}"
    );
    assert!(facts.exp > Duration::from_secs(NOW), "{:?}", facts.exp);
    for time in ["nbf", "iat"].iter().filter_map(|name| claims.get(name)) {
        assert!(time.as_f64().is_some_and(|time| (0.0..=(NOW + LEEWAY) as f64).contains(&time)), "{time}");
    }
    assert!(claims.get("cnf").is_none(), "a bound token");
    for client in ["client_id", "azp"].iter().filter_map(|name| claims.get(name)) {
        assert_eq!(client.as_str(), facts.client.as_deref());
    }
    assert!(facts.client.as_ref().is_some_and(|client| !client.is_empty()));
    let texts = ["scope", "scp"].iter().filter_map(|name| claims.get(name)).flat_map(|value| match value.as_str() {
        Some(text) => vec![text],
        None => value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect(),
    });
    let names: Vec<&str> = texts.flat_map(|text| text.split(' ')).filter(|name| !name.is_empty()).collect();
    assert_eq!(names.join(" "), *facts.scope);
    let roles: Vec<&str> = match claims.get("roles") {
        None => Vec::new(),
        Some(Value::String(role)) => vec![role],
        Some(value) => value.as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect(),
    };
    assert!(facts.roles.iter().map(|role| &**role).eq(roles));
}

/// `jsonwebtoken` may only refuse members of the header that are ignored here, and so may be of any kind.
fn is_theirs(token: &str, facts: &VerifiedToken) {
    let mut validation = Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    // Its clock is the system's.
    validation.validate_exp = false;
    match jsonwebtoken::decode::<Value>(token, &key().2, &validation) {
        Ok(theirs) => {
            assert_eq!(theirs.claims["sub"].as_str(), facts.subject.as_deref());
            assert_eq!(theirs.claims["exp"].as_f64(), Some(facts.exp.as_secs_f64()));
            are_facts(&theirs.claims, facts);
        }
        Err(fault) => assert!(matches!(fault.kind(), ErrorKind::Json(_)), "{fault:?}"),
    }
}
