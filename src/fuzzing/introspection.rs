//! Answers about tokens (RFC 7662 §2.2).

use std::time::Duration;

use serde_json::Value;

use super::token::{ISSUER, NOW, are_facts, issuer};
use crate::token::IntrospectionFault;

/// How long an answer without an end is believed, in seconds.
const LONGEST: u64 = 300;

/// The whole input is an answer.
///
/// * Who is believed is `active`, a bearer token of the issuer for this audience, in force, and bound to nobody, as `serde_json`
///   reads the answer; nobody is believed of whom the answer does not say it.
/// * What is no JSON object is no answer.
pub fn introspection(bytes: &[u8]) {
    let (now, longest) = (Duration::from_secs(NOW), Duration::from_secs(LONGEST));
    let read = issuer().read_introspection(bytes, now, longest);
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let Some(claims) = value.filter(Value::is_object) else {
        assert_eq!(read.err(), Some(IntrospectionFault::Unreadable));
        return;
    };
    let Ok(facts) = read else { return };
    assert_eq!(claims["active"], Value::Bool(true));
    match claims.get("token_type") {
        None => assert!(claims.get("nonce").is_none() && claims.get("at_hash").is_none(), "an ID token"),
        Some(kind) => assert!(kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")), "{kind}"),
    }
    assert!(claims.get("iss").is_none_or(|name| name == ISSUER), "{claims}");
    match claims.get("exp") {
        None => assert_eq!(facts.exp, now + longest),
        Some(exp) => assert_eq!(exp.as_f64(), Some(facts.exp.as_secs_f64())),
    }
    are_facts(&claims, &facts);
    let subject = claims.get("sub").map(|subject| subject.as_str().unwrap());
    assert_eq!(facts.subject.as_deref(), subject.or(facts.client.as_deref()));
    assert!(facts.subject.is_some_and(|subject| !subject.is_empty()));
}
