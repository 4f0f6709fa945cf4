//! `issuers[].introspection`: whom the gateway asks about tokens that are no JWT, and as whom.

use crate::verify::{ClientAuthentication, ClientProof, ClientSecret, IntrospectionSettings};

use super::addresses::{check_scheme, url};
use super::faults::{Fault, Faults};
use super::read::Fields;
use super::scalars::{Scalar, Wrong};
use super::secrets::{Folder, not_empty};
use super::source::Placed;

/// Bytes of a prefix at most.
const PREFIX_BYTES: usize = 64;

/// How an issuer is asked, with the prefix as it is written, for a comparison with those of others.
#[derive(Debug)]
pub(super) struct PlacedIntrospection {
    pub(super) settings: IntrospectionSettings,
    /// Where the prefix is written; else the section.
    pub(super) prefix: Placed<Option<String>>,
}

/// Reads one section; `discovery` says whether the issuer's metadata is looked up.
pub(super) fn read(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, discovery: bool) -> Option<PlacedIntrospection> {
    let prefix = match fields.node("prefix") {
        Some(_) => {
            fields.parsed("prefix", prefix).map(|placed| Placed { value: Some(placed.value), place: placed.place })
        }
        None => Some(Placed { value: None, place: fields.place }),
    };
    let insecure_http = fields.boolean("insecure_http");
    let address = fields.node("url").map(|_| url(fields, "url", "https://idp.example.com/oauth/introspect"));
    match &address {
        Some(Some(address)) => {
            let harm = "whoever is in between can read tokens and the secret, and forge answers";
            check_scheme(fields, "url", address, insecure_http, harm);
        }
        None if !discovery => {
            let hint = "write it, or `keys: {discovery: true}` for what the issuer's metadata says";
            fields.refuse(fields.place, "url", "is missing", Some(hint.to_owned()));
        }
        Some(None) | None => {}
    }
    let client = client(fields, folder);
    let ca = fields.node("ca").map(|_| folder.file(fields, "ca"));
    let (cache, timeout) = (fields.duration("cache"), fields.duration("timeout"));
    let prefix = prefix?;
    let settings = IntrospectionSettings {
        prefix: prefix.value.clone(),
        url: address.flatten().map(|address| address.value),
        insecure_http,
        client: client?,
        cache: cache?,
        timeout: timeout?,
        ca: ca.flatten(),
    };
    Some(PlacedIntrospection { settings, prefix })
}

/// Of several issuers that are asked, exactly one must be meant by any token.
pub(super) fn refuse_ambiguous(issuers: &[(String, PlacedIntrospection)], faults: &Faults) {
    let Some((first, others)) = issuers.split_first().filter(|(_, others)| !others.is_empty()) else { return };
    for (name, introspection) in std::iter::once(first).chain(others) {
        if introspection.prefix.value.is_none() {
            let message =
                format!("issuer `{name}`: `introspection.prefix` is missing, for another issuer introspects too");
            let hint = "a token that is no JWT names no issuer: its first letters have to";
            faults.push(Fault::error(introspection.prefix.place, message).hint(hint));
        }
    }
    for (number, (name, later)) in issuers.iter().enumerate() {
        let Some(prefix) = &later.prefix.value else { continue };
        for (other, earlier) in issuers.iter().take(number) {
            let Some(taken) = &earlier.prefix.value else { continue };
            if prefix.starts_with(taken.as_str()) || taken.starts_with(prefix.as_str()) {
                let message = format!("issuer `{name}`: `introspection.prefix` and that of `{other}` begin alike");
                let fault = Fault::error(later.prefix.place, message);
                faults.push(fault.related(earlier.prefix.place, "a token of this prefix could be of either"));
            }
        }
    }
}

fn prefix(scalar: Scalar<'_>) -> Result<String, Wrong> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~+/".contains(&byte);
    let text = scalar.text;
    let fits = (1..=PREFIX_BYTES).contains(&text.len()) && text.bytes().all(is_of_token);
    let expected = "1 to 64 letters, digits or `-_~+/`, such as `opq_`";
    if fits { Ok(text.to_owned()) } else { Err(Wrong::expected(expected)) }
}

fn client(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<ClientAuthentication> {
    let client_id = not_empty(fields, "client_id");
    let proof = match (fields.node("client_secret"), fields.node("private_key")) {
        (Some(secret), None) => {
            folder.secret(fields, "client_secret", secret).map(|text| ClientProof::Secret(ClientSecret(text)))
        }
        (None, Some(_)) => folder.client_key(&fields.section("private_key"), "file").map(ClientProof::Key),
        (None, None) => {
            let message = fields.subject.tell("`introspection` has neither `client_secret` nor `private_key`");
            let hint = "write `client_secret: {file: PATH}` or `private_key: {file: PATH}`";
            fields.faults.push(Fault::error(fields.place, message).hint(hint));
            None
        }
        (Some(_), Some(_)) => {
            let message = fields.subject.tell("`introspection` has both `client_secret` and `private_key`");
            let fault = Fault::error(fields.place_of("private_key"), message);
            fields.faults.push(fault.related(fields.place_of("client_secret"), "the secret"));
            None
        }
    };
    Some(ClientAuthentication { client_id: client_id?.value.to_owned(), proof: proof? })
}
