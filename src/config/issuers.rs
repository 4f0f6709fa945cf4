//! `issuers` of a gateway file → what each issuer's tokens must satisfy, and where its keys are.

use std::collections::HashMap;
use std::time::Duration;

use crate::token::{Algorithm, ClientOnly, IssuerRules};
use crate::verify::{IssuerSettings, KeyAddress, KeySource, RevocationSettings};

use super::addresses::{check_scheme, url};
use super::faults::Fault;
use super::gateway_file::refuse_empty;
use super::gateway_keys;
use super::introspection::{self, PlacedIntrospection};
use super::node::Node;
use super::paths;
use super::polled;
use super::read::{Fields, Subject};
use super::scalars::{Scalar, Wrong, boolean};
use super::secrets::{Folder, not_empty};
use super::source::{Place, Placed};

/// Keys of `keys` that only a key set elsewhere has.
const OF_URL: [&str; 6] = ["refresh", "max_stale", "cooldown", "timeout", "ca", "insecure_http"];

/// What plain http beyond this machine does to keys.
const FORGERY: &str = "whoever is in between can forge tokens";

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
    let mut asked = Vec::new();
    for (number, node) in (1..).zip(root.items("issuers")) {
        let named = node.find("issuer").and_then(Node::text);
        let subject = named
            .map_or_else(|| Subject::new("issuer", format_args!("#{number}")), |name| Subject::new("issuer", name));
        let fields = Fields::read(node, gateway_keys::ISSUER, subject, root.faults);
        let (settings, introspection) = settings(&fields, folder);
        let Some(name) = not_empty(&fields, "issuer") else { continue };
        match places.get(name.value) {
            Some(first) => {
                let fault = Fault::error(name.place, format!("issuer `{}` is listed twice", name.value));
                root.faults.push(fault.related(*first, "first listed here"));
            }
            None => {
                places.insert(name.value, name.place);
                list.push(PlacedIssuer { name: name.value.to_owned(), settings });
                asked.extend(introspection.map(|introspection| (name.value.to_owned(), introspection)));
            }
        }
    }
    introspection::refuse_ambiguous(&asked, root.faults);
    list
}

/// What an issuer's entry says, and how it is asked, which is compared with what others say even where the rest has a fault.
fn settings(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> (Option<IssuerSettings>, Option<PlacedIntrospection>) {
    let name = fields.node("issuer").and_then(Node::text);
    let keys_fields = fields.section_if("keys");
    let discovery =
        keys_fields.as_ref().and_then(|section| section.parsed("discovery", boolean)).map(|placed| placed.value);
    let keys = keys_fields.as_ref().and_then(|section| keys(section, name, discovery, folder));
    let asked = fields
        .section_if("introspection")
        .map(|section| introspection::read(&section, folder, discovery != Some(false)));
    let rules = rules(fields);
    let required = fields.boolean("required");
    let revocations = fields.section_if("revocations").map(|section| revocations(&section, folder));
    let (Some(introspection), Some(revocations)) = (whole(asked.as_ref()), whole(revocations.as_ref())) else {
        return (None, asked.flatten());
    };
    let introspection = introspection.map(|placed| placed.settings.clone());
    let revocations = revocations.cloned();
    let settings =
        rules.zip(keys).map(|(rules, keys)| IssuerSettings { rules, required, keys, introspection, revocations });
    (settings, asked.flatten())
}

/// What a section that may be left out says; `None` if it is there and has a fault.
fn whole<T>(section: Option<&Option<T>>) -> Option<Option<&T>> {
    match section {
        Some(read) => read.as_ref().map(Some),
        None => Some(None),
    }
}

fn revocations(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<RevocationSettings> {
    let feed = polled::read(fields, folder, "whoever is in between can keep revoked tokens alive");
    let serve_stale = fields.choice("when_stale") == "serve";
    Some(RevocationSettings { feed: feed?, serve_stale })
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

fn keys(
    fields: &Fields<'_, '_>,
    issuer: Option<&str>,
    discovery: Option<bool>,
    folder: &mut Folder<'_>,
) -> Option<KeySource> {
    // One that is neither on nor off was told already.
    let discovery = discovery?;
    let written: Vec<&str> = ["file", "url"].into_iter().filter(|name| fields.node(name).is_some()).collect();
    match (written.as_slice(), discovery) {
        (["file"], false) => {
            for name in OF_URL.iter().filter(|name| fields.node(name).is_some()) {
                fields.refuse(fields.place_of(name), name, "has no meaning beside `file`", None);
            }
            folder.file(fields, "file").map(KeySource::File)
        }
        (["url"], false) => {
            let address = url(fields, "url", "https://idp.example.com/jwks.json");
            if let Some(address) = &address {
                let insecure = fields.boolean("insecure_http");
                check_scheme(fields, "url", address, insecure, FORGERY);
            }
            remote(fields, address.map(|address| KeyAddress::Url(address.value)), folder)
        }
        ([], true) => {
            let address = issuer.and_then(|issuer| discovered(fields, issuer));
            remote(fields, address, folder)
        }
        ([], false) => {
            let hint = "write `keys: {file: jwks.json}`, `keys: {url: https://…}` or `keys: {discovery: true}`";
            let message = fields.subject.tell("`keys` names neither `file` nor `url` nor `discovery`");
            fields.faults.push(Fault::error(fields.place, message).hint(hint));
            None
        }
        (several, _) => {
            refuse_several(fields, several, discovery);
            None
        }
    }
}

fn refuse_several(fields: &Fields<'_, '_>, written: &[&str], discovery: bool) {
    let mut names = written.to_vec();
    if discovery {
        names.push("discovery");
    }
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return };
    let message = fields.subject.tell(format_args!("`keys` names both `{first}` and `{last}`"));
    let fault = Fault::error(fields.place_of(last), message);
    fields.faults.push(fault.related(fields.place_of(first), format!("the {first}")));
}

/// The metadata of an issuer is looked up under its own name, which must then be a URL (RFC 8414 §2) and as safe as any other.
fn discovered(fields: &Fields<'_, '_>, issuer: &str) -> Option<KeyAddress> {
    let (place, insecure_http) = (fields.place_of("discovery"), fields.boolean("insecure_http"));
    let Some(name) = paths::absolute(issuer).filter(|url| url.query().is_none() && !issuer.contains('#')) else {
        let hint = "metadata is looked up under the issuer's name; write `url` or `file` instead".to_owned();
        fields.refuse(place, "discovery", "needs an issuer that is a URL without query and fragment", Some(hint));
        return None;
    };
    check_scheme(fields, "discovery", &Placed { value: name, place }, insecure_http, FORGERY);
    Some(KeyAddress::Discovery { insecure_http })
}

fn remote(fields: &Fields<'_, '_>, address: Option<KeyAddress>, folder: &mut Folder<'_>) -> Option<KeySource> {
    let ca = fields.node("ca").map(|_| folder.file(fields, "ca"));
    let duration = |name: &str| fields.duration(name);
    let times = (duration("refresh"), duration("max_stale"), duration("cooldown"), duration("timeout"));
    let (refresh, max_stale) = (times.0.unwrap_or_default(), times.1.unwrap_or_default());
    let address = address?;
    refuse_early_staleness(fields, refresh, max_stale);
    Some(KeySource::Remote {
        address,
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
