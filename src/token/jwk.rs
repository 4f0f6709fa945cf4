//! JWK Sets (RFC 7517, RFC 7518 §6, RFC 8037 §2), read key by key: one odd key never spoils the set.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;

use super::algorithm::Algorithm;
use super::base64url;
use super::json::{Json, Object, Repeats};
use super::key::{Curve, VerificationKey, rsa_scheme};

/// The keys of a JWK Set that can check signatures, and those that were left out.
#[derive(Debug)]
pub struct JwkSet {
    /// Usable keys, in the order of the set; none may be usable.
    pub keys: Vec<VerificationKey>,
    /// Keys left out, in the order of the set.
    pub skipped: Vec<SkippedKey>,
}

/// A key that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Position in the set, from 0.
    pub position: usize,
    /// `kid`, if it is a string.
    pub id: Option<String>,
    /// Why.
    pub fault: KeyFault,
}

/// Why a text is no JWK Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetFault {
    /// Not one JSON value.
    #[error("the text is not JSON")]
    NotJson,
    /// Not an object, or one with a member twice.
    #[error("the text is not a JSON object with each member once")]
    NotAnObject,
    /// No array `keys` (RFC 7517 §5.1).
    #[error("the text has no array `keys`")]
    NoKeys,
}

/// Why a key was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A member twice, at any depth (RFC 7517 §4).
    #[error("it has a member twice")]
    RepeatedMember,
    /// A member is missing, of the wrong type or not canonically encoded.
    #[error("its member `{0}` is missing or malformed")]
    Member(&'static str),
    /// `kty` is `oct`: a shared secret has no place in a key set.
    #[error("it is a shared secret")]
    SharedSecret,
    /// `kty` names another type.
    #[error("its type is not known")]
    UnknownType,
    /// `crv` names another curve.
    #[error("its curve is not known")]
    UnknownCurve,
    /// `use` is not `sig` (RFC 7517 §4.2).
    #[error("it is not for signatures")]
    OtherUse,
    /// `key_ops` lacks `verify` (RFC 7517 §4.3).
    #[error("it is not for verifying")]
    OtherOperations,
    /// `alg` names no algorithm of this key type.
    #[error("its algorithm is not one for this type of key")]
    OtherAlgorithm,
    /// Fewer than 2048 or more than 8192 bits (RFC 7518 §3.3).
    #[error("it has {0} bits, not 2048 to 8192")]
    RsaSize(usize),
    /// The public exponent is even, below 3 or of more than 33 bits.
    #[error("its exponent is not an odd number from 3 of at most 33 bits")]
    RsaExponent,
    /// The coordinates are no point of the curve.
    #[error("its point is not on its curve")]
    OffCurve,
}

impl JwkSet {
    /// Reads a JWK Set, key by key.
    ///
    /// # Errors
    ///
    /// [`JwkSetFault`] if the whole is none; a single bad key is only left out.
    pub fn read(text: &[u8]) -> Result<Self, JwkSetFault> {
        let set = Json::read(text, Repeats::Mark).ok_or(JwkSetFault::NotJson)?;
        let members = set.as_object().filter(|members| !members.repeated()).ok_or(JwkSetFault::NotAnObject)?;
        let entries = members.get("keys").and_then(Json::as_array).ok_or(JwkSetFault::NoKeys)?;
        let mut read = Self { keys: Vec::with_capacity(entries.len()), skipped: Vec::new() };
        for (position, entry) in entries.iter().enumerate() {
            match read_key(entry) {
                Ok(key) => read.keys.push(key),
                Err(fault) => read.skipped.push(SkippedKey { position, id: id_of(entry), fault }),
            }
        }
        Ok(read)
    }
}

fn id_of(entry: &Json<'_>) -> Option<String> {
    entry.as_object()?.get("kid")?.as_text().map(str::to_owned)
}

fn read_key(entry: &Json<'_>) -> Result<VerificationKey, KeyFault> {
    let jwk = entry.as_object().ok_or(KeyFault::NotAnObject)?;
    if entry.has_repeats() {
        return Err(KeyFault::RepeatedMember);
    }
    let kty = text(jwk, "kty")?.ok_or(KeyFault::Member("kty"))?;
    check_purpose(jwk)?;
    let algorithm = match text(jwk, "alg")? {
        None => None,
        Some(name) => Some(Algorithm::parse(name).ok_or(KeyFault::OtherAlgorithm)?),
    };
    let parsed = match kty {
        "RSA" => rsa(jwk, algorithm)?,
        "EC" => point(jwk, algorithm)?,
        "OKP" => octets(jwk, algorithm)?,
        "oct" => return Err(KeyFault::SharedSecret),
        _ => return Err(KeyFault::UnknownType),
    };
    VerificationKey::new(text(jwk, "kid")?, parsed).ok_or(KeyFault::OtherAlgorithm)
}

/// RFC 7517 §4.2 and §4.3: a key that says what it is for is used for nothing else.
fn check_purpose(jwk: &Object<'_>) -> Result<(), KeyFault> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(KeyFault::OtherUse);
    }
    let Some(operations) = jwk.get("key_ops") else { return Ok(()) };
    let operations = operations.as_array().ok_or(KeyFault::Member("key_ops"))?;
    let verifies = operations.iter().any(|operation| operation.as_text() == Some("verify"));
    if verifies { Ok(()) } else { Err(KeyFault::OtherOperations) }
}

/// RFC 7518 §6.3.1.
fn rsa(jwk: &Object<'_>, only: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyFault> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let bits = bit_length(&modulus);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyFault::RsaSize(bits));
    }
    if modulus.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyFault::Member("n"));
    }
    let is_odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
    if !is_odd || !(2..=33).contains(&bit_length(&exponent)) {
        return Err(KeyFault::RsaExponent);
    }
    let components = PublicKeyComponents { n: modulus, e: exponent };
    let schemes = Algorithm::ALL.into_iter().filter(|algorithm| only.is_none_or(|only| only == *algorithm));
    let schemes = schemes.filter_map(|algorithm| rsa_scheme(algorithm).map(|scheme| (algorithm, scheme)));
    schemes
        .map(|(algorithm, scheme)| components.to_parsed_public_key(scheme).map(|key| (algorithm, key)))
        .collect::<Result<_, _>>()
        .map_err(|_| KeyFault::Member("n"))
}

/// RFC 7518 §6.2.1: both coordinates have the full size of the curve's field.
fn point(jwk: &Object<'_>, only: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyFault> {
    let curve = match text(jwk, "crv")?.ok_or(KeyFault::Member("crv"))? {
        "P-256" => Curve::P256,
        "P-384" => Curve::P384,
        _ => return Err(KeyFault::UnknownCurve),
    };
    // SEC 1 §2.3.3: an uncompressed point is 04, x, y.
    let point = [vec![4], bytes(jwk, "x", curve.octets)?, bytes(jwk, "y", curve.octets)?].concat();
    parse(curve, &point, only)
}

/// RFC 8037 §2.
fn octets(jwk: &Object<'_>, only: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyFault> {
    match text(jwk, "crv")?.ok_or(KeyFault::Member("crv"))? {
        "Ed25519" => parse(Curve::ED25519, &bytes(jwk, "x", Curve::ED25519.octets)?, only),
        _ => Err(KeyFault::UnknownCurve),
    }
}

fn parse(
    curve: Curve,
    material: &[u8],
    only: Option<Algorithm>,
) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyFault> {
    if only.is_some_and(|only| only != curve.algorithm) {
        return Err(KeyFault::OtherAlgorithm);
    }
    let key = ParsedPublicKey::new(curve.scheme, material).map_err(|_| KeyFault::OffCurve)?;
    Ok(vec![(curve.algorithm, key)])
}

/// A member that is a string if it is there.
fn text<'v>(jwk: &'v Object<'_>, name: &'static str) -> Result<Option<&'v str>, KeyFault> {
    jwk.get(name).map(|value| value.as_text().ok_or(KeyFault::Member(name))).transpose()
}

/// A member of so many octets, base64url.
fn bytes(jwk: &Object<'_>, name: &'static str, octets: usize) -> Result<Vec<u8>, KeyFault> {
    let decoded = text(jwk, name)?.and_then(base64url::decode);
    decoded.filter(|bytes| bytes.len() == octets).ok_or(KeyFault::Member(name))
}

/// A Base64urlUInt (RFC 7518 §2); leading zero octets, which some issuers write, are taken off.
fn number(jwk: &Object<'_>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let mut octets = text(jwk, name)?.and_then(base64url::decode).ok_or(KeyFault::Member(name))?;
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    Ok(octets.split_off(zeros))
}

fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
