//! `issuers` of a gateway file → what each issuer's tokens must satisfy, and where its keys are.

use std::collections::HashMap;
use std::time::Duration;

use crate::token::{Algorithm, ClientOnly, IssuerRules};
use crate::verify::{IssuerSettings, KeySource};

use super::faults::Fault;
use super::gateway_file::refuse_empty;
use super::gateway_keys;
use super::node::Node;
use super::paths;
use super::read::{Fields, Subject};
use super::scalars::{Scalar, Wrong};
use super::secrets::{Folder, not_empty};
use super::source::Place;

/// Keys of `keys` that only a key set at an address has.
const OF_URL: [&str; 6] = ["refresh", "max_stale", "cooldown", "timeout", "ca", "insecure_http"];

/// An issuer, whole or with its name alone after a fault.
#[derive(Debug)]
pub(super) struct PlacedIssuer {
    pub(super) name: String,
    pub(super) settings: Option<IssuerSettings>,
}

/// Reads every issuer; two of one name are a fault.
pub(super) fn read(root: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Vec<PlacedIssuer> {
    let mut places: HashMap<&str, Place> = HashMap::new();
    let mut list = Vec::new();
    for (number, node) in (1..).zip(root.items("issuers")) {
        let named = node.find("issuer").and_then(Node::text);
        let subject = named
            .map_or_else(|| Subject::new("issuer", format_args!("#{number}")), |name| Subject::new("issuer", name));
        let fields = Fields::read(node, gateway_keys::ISSUER, subject, root.faults);
        let settings = settings(&fields, folder);
        let Some(name) = not_empty(&fields, "issuer") else { continue };
        match places.get(name.value) {
            Some(first) => {
                let fault = Fault::error(name.place, format!("issuer `{}` is listed twice", name.value));
                root.faults.push(fault.related(*first, "first listed here"));
            }
            None => {
                places.insert(name.value, name.place);
                list.push(PlacedIssuer { name: name.value.to_owned(), settings });
            }
        }
    }
    list
}

fn settings(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<IssuerSettings> {
    let keys = fields.node("keys").and_then(|_| keys(&fields.section("keys"), folder));
    let rules = rules(fields);
    Some(IssuerSettings { rules: rules?, required: fields.boolean("required"), keys: keys? })
}

fn rules(fields: &Fields<'_, '_>) -> Option<IssuerRules> {
    let claims = fields.section("claims");
    refuse_empty(fields, "audience", "name at least one value of `aud` that means this gateway");
    refuse_empty(fields, "algorithms", "name at least one, or remove the key for all of them");
    let audience: Vec<String> = fields.list("audience", non_empty).into_iter().map(|placed| placed.value).collect();
    let roles_pointer = claims.parsed("roles", |scalar| paths::pointer(scalar.text).map(str::to_owned));
    Some(IssuerRules {
        issuer: fields.text("issuer")?.value.to_owned(),
        audience,
        algorithms: fields.choices("algorithms").into_iter().filter_map(algorithm).collect(),
        strict_type: fields.choice("type") == "strict",
        leeway: fields.duration("leeway").unwrap_or_default(),
        max_lifetime: fields.duration("max_lifetime").unwrap_or_default(),
        scope_pointers: pointers(&claims, "scope"),
        roles_pointer: roles_pointer.map_or_else(String::new, |placed| placed.value),
        client_pointers: pointers(&claims, "client"),
        client_only: fields.node("client_only").and_then(|_| client_only(&fields.section("client_only"))),
    })
}

pub(super) fn non_empty(scalar: Scalar<'_>) -> Result<String, Wrong> {
    if scalar.text.is_empty() { Err(Wrong::expected("a value of `aud`")) } else { Ok(scalar.text.to_owned()) }
}

fn pointers(claims: &Fields<'_, '_>, name: &str) -> Vec<String> {
    let list = claims.list(name, |scalar| paths::pointer(scalar.text).map(str::to_owned));
    list.into_iter().map(|placed| placed.value).collect()
}

fn algorithm(name: &'static str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::Rs256),
        "RS384" => Some(Algorithm::Rs384),
        "RS512" => Some(Algorithm::Rs512),
        "PS256" => Some(Algorithm::Ps256),
        "PS384" => Some(Algorithm::Ps384),
        "PS512" => Some(Algorithm::Ps512),
        "ES256" => Some(Algorithm::Es256),
        "ES384" => Some(Algorithm::Es384),
        "EdDSA" => Some(Algorithm::EdDsa),
        _ => None,
    }
}

fn client_only(fields: &Fields<'_, '_>) -> Option<ClientOnly> {
    let pointer = fields.parsed("pointer", |scalar| paths::pointer(scalar.text).map(str::to_owned));
    let equals = fields.parsed("equals", |scalar| Ok(json(scalar)));
    Some(ClientOnly { pointer: pointer?.value, equals: equals?.value })
}

/// A scalar with its type in YAML's core schema, as JSON has it.
fn json(scalar: Scalar<'_>) -> serde_json::Value {
    let parsed = serde_json::from_str(scalar.text).ok().filter(|_| scalar.plain);
    parsed.unwrap_or_else(|| scalar.text.into())
}

fn keys(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<KeySource> {
    match (fields.node("file"), fields.node("url")) {
        (Some(_), None) => {
            for name in OF_URL.iter().filter(|name| fields.node(name).is_some()) {
                fields.refuse(fields.place_of(name), name, "has no meaning beside `file`", None);
            }
            folder.file(fields, "file").map(KeySource::File)
        }
        (None, Some(_)) => key_address(fields, folder),
        (None, None) => {
            let hint = "write `keys: {file: jwks.json}` or `keys: {url: https://…}`";
            let message = fields.subject.tell("`keys` names neither `file` nor `url`");
            fields.faults.push(Fault::error(fields.place, message).hint(hint));
            None
        }
        (Some(_), Some(_)) => {
            let fault = Fault::error(fields.place_of("url"), fields.subject.tell("`keys` names both `file` and `url`"));
            fields.faults.push(fault.related(fields.place_of("file"), "the file"));
            None
        }
    }
}

fn key_address(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<KeySource> {
    let url = fields.parsed("url", |scalar| {
        paths::absolute(scalar.text).ok_or_else(|| Wrong::expected("a URL such as `https://idp.example.com/jwks.json`"))
    });
    let ca = fields.node("ca").map(|_| folder.file(fields, "ca"));
    let duration = |name: &str| fields.duration(name);
    let times = (duration("refresh"), duration("max_stale"), duration("cooldown"), duration("timeout"));
    let insecure = fields.boolean("insecure_http");
    let url = url?;
    check_scheme(fields, &url.value, url.place, insecure);
    let (refresh, max_stale) = (times.0.unwrap_or_default(), times.1.unwrap_or_default());
    refuse_early_staleness(fields, refresh, max_stale);
    Some(KeySource::Url {
        url: url.value,
        refresh,
        max_stale,
        cooldown: times.2.unwrap_or_default(),
        timeout: times.3.unwrap_or_default(),
        ca: ca.flatten(),
    })
}

/// Keys that are stale before they are fetched again would be lost at every refresh.
fn refuse_early_staleness(fields: &Fields<'_, '_>, refresh: Duration, max_stale: Duration) {
    if max_stale < refresh && !max_stale.is_zero() {
        let message = fields.subject.say("max_stale", "is shorter than `refresh`");
        let fault = Fault::error(fields.place_of("max_stale"), message);
        fields.faults.push(fault.hint("keys would be stale between two fetches"));
    }
}

/// Keys that come over plain http can be anybody's, unless they come from this machine.
fn check_scheme(fields: &Fields<'_, '_>, url: &http::Uri, place: Place, insecure: bool) {
    let exposed = url.scheme_str() == Some("http") && !paths::is_loopback(url);
    match (exposed, insecure) {
        (true, false) => {
            let hint = "write `https://`, or beside it `insecure_http: true` if nobody is in between";
            fields.refuse(place, "url", "is http beyond loopback", Some(hint.to_owned()));
        }
        (true, true) => {
            let message = fields.subject.say("url", "is http beyond loopback: whoever is in between can forge tokens");
            fields.faults.push(Fault::warning(place, message));
        }
        (false, _) => {}
    }
}
