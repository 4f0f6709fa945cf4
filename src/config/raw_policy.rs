//! A policy file as typed: every key is known and of the right kind, but no name has been looked up yet.

use http::Method;

use super::faults::{Fault, Faults};
use super::keys::Key;
use super::node::{Entry, Node, Value};
use super::policy_keys;
use super::raw_entry::{self, RawEntry};
use super::read::{Fields, Subject};
use super::source::{Place, Placed};
use super::suggest::did_you_mean;

/// One policy file as typed.
#[derive(Debug, Default)]
pub(super) struct RawPolicy<'n> {
    pub(super) scopes: Vec<RawScope<'n>>,
    /// Whether what is written for `scopes`, if anything is, could be read as such.
    pub(super) has_all_scopes: bool,
    /// Where the key stands, if it does: an empty section is a ceiling that permits nothing.
    pub(super) roles_section: Option<Place>,
    pub(super) roles: Vec<RawRole<'n>>,
    pub(super) clients_section: Option<Place>,
    pub(super) clients: Vec<RawClient<'n>>,
    pub(super) routes: Vec<RawRoute<'n>>,
    pub(super) tests: Vec<RawTest<'n>>,
}

/// One entry of the catalogue.
#[derive(Debug)]
pub(super) struct RawScope<'n> {
    pub(super) name: Placed<&'n str>,
    pub(super) describe: &'n str,
    pub(super) implies: Vec<Placed<String>>,
    pub(super) admin: Option<Placed<&'n str>>,
    /// `user`, `admin` or nothing.
    pub(super) side: &'static str,
    pub(super) uses: Vec<&'static str>,
}

/// One role and the patterns of what it permits.
#[derive(Debug)]
pub(super) struct RawRole<'n> {
    pub(super) name: Placed<&'n str>,
    pub(super) scopes: Vec<Placed<String>>,
}

/// One client and the patterns of what it may use.
#[derive(Debug)]
pub(super) struct RawClient<'n> {
    pub(super) name: Placed<&'n str>,
    /// Where `scopes` stands, if it does.
    pub(super) scopes_key: Option<Place>,
    pub(super) scopes: Vec<Placed<String>>,
    pub(super) acts_alone: bool,
}

/// One entry of `routes`; several may make one route.
#[derive(Debug)]
pub(super) struct RawRoute<'n> {
    pub(super) subject: Subject,
    pub(super) id: Option<Placed<&'n str>>,
    pub(super) host: Option<Placed<&'n str>>,
    pub(super) path: Option<Placed<&'n str>>,
    pub(super) strip_prefix: Option<Placed<&'n str>>,
    pub(super) add_prefix: Option<Placed<&'n str>>,
    pub(super) upstream: Option<Placed<&'n str>>,
    pub(super) timeout: Option<Placed<std::time::Duration>>,
    pub(super) methods: Vec<RawMethod<'n>>,
    /// Whether a method that is written is not in `methods`, for it has a fault.
    pub(super) lacks_methods: bool,
    /// Where the entry begins.
    pub(super) place: Place,
}

/// One method of a route.
#[derive(Debug)]
pub(super) struct RawMethod<'n> {
    pub(super) method: Placed<Method>,
    pub(super) entry: RawEntry<'n>,
}

/// One test.
#[derive(Debug)]
pub(super) struct RawTest<'n> {
    pub(super) name: Placed<&'n str>,
    pub(super) request: Placed<&'n str>,
    pub(super) token: Option<RawToken<'n>>,
    pub(super) expect: Placed<Expectation<'n>>,
}

/// A test's token.
#[derive(Debug)]
pub(super) struct RawToken<'n> {
    pub(super) scope: &'n str,
    pub(super) roles: Vec<Placed<String>>,
    pub(super) client: Option<&'n str>,
    pub(super) subject: Option<&'n str>,
    pub(super) issuer: Option<Placed<&'n str>>,
}

/// What a test expects, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation<'n> {
    Allow(&'n str),
    Deny(&'n str),
}

/// Reads a policy file's tree.
pub(super) fn read<'n>(node: &'n Node<'_>, faults: &'n Faults) -> RawPolicy<'n> {
    let fields = Fields::read(node, policy_keys::ROOT, Subject::default(), faults);
    RawPolicy {
        scopes: fields.entries("scopes").iter().map(|entry| scope(entry, faults)).collect(),
        has_all_scopes: node.len().is_some() && fields.node("scopes").is_none_or(|scopes| scopes.len().is_some()),
        roles_section: fields.node("roles").map(|_| fields.place_of("roles")),
        roles: fields.entries("roles").iter().map(|entry| role(entry, faults)).collect(),
        clients_section: fields.node("clients").map(|_| fields.place_of("clients")),
        clients: fields.entries("clients").iter().map(|entry| client(entry, faults)).collect(),
        routes: (1..).zip(fields.items("routes")).map(|(number, node)| route(number, node, faults)).collect(),
        tests: (1..).zip(fields.items("tests")).filter_map(|(number, node)| test(number, node, faults)).collect(),
    }
}

/// The keys of an entry with a name of the operator's choice.
fn named<'n, 't>(
    kind: &str,
    keys: &'static [Key],
    entry: &'n Entry<'t>,
    faults: &'n Faults,
) -> (Placed<&'n str>, Fields<'n, 't>) {
    let fields = Fields::read_at(&entry.value, entry.place, keys, Subject::new(kind, &entry.key), faults);
    (Placed { value: &entry.key, place: entry.place }, fields)
}

fn scope<'n>(entry: &'n Entry<'_>, faults: &'n Faults) -> RawScope<'n> {
    let (name, fields) = named("scope", policy_keys::SCOPE, entry, faults);
    RawScope {
        name,
        describe: fields.text("describe").map_or("", |text| text.value),
        implies: fields.texts("implies"),
        admin: fields.text("admin"),
        side: fields.choice("side"),
        uses: fields.choices("uses"),
    }
}

fn role<'n>(entry: &'n Entry<'_>, faults: &'n Faults) -> RawRole<'n> {
    let (name, fields) = named("role", policy_keys::ROLE, entry, faults);
    RawRole { name, scopes: fields.texts("scopes") }
}

fn client<'n>(entry: &'n Entry<'_>, faults: &'n Faults) -> RawClient<'n> {
    let (name, fields) = named("client", policy_keys::CLIENT, entry, faults);
    let scopes_key = fields.node("scopes").map(|_| fields.place_of("scopes"));
    let acts_alone = fields.boolean("acts_alone");
    if acts_alone && name.value == "*" {
        let hint = Some("name each client that may act without a user".to_owned());
        fields.refuse(fields.place_of("acts_alone"), "acts_alone", "cannot be said of every client", hint);
    }
    RawClient { name, scopes_key, scopes: fields.texts("scopes"), acts_alone }
}

fn route<'n>(number: usize, node: &'n Node<'_>, faults: &'n Faults) -> RawRoute<'n> {
    let name = name_of(node, &["id", "path"]);
    let subject =
        name.map_or_else(|| Subject::new("route", format_args!("#{number}")), |name| Subject::new("route", name));
    let fields = Fields::read(node, policy_keys::ROUTE, subject, faults);
    let methods: Vec<_> = fields.entries("methods").iter().filter_map(|entry| method(entry, &fields)).collect();
    let written = fields.node("methods").map_or(Some(0), |node| node.len());
    RawRoute {
        id: fields.text("id"),
        host: fields.text("host"),
        path: fields.text("path"),
        strip_prefix: fields.text("strip_prefix"),
        add_prefix: fields.text("add_prefix"),
        upstream: fields.text("upstream"),
        timeout: fields.placed_duration("timeout"),
        lacks_methods: written != Some(methods.len()),
        methods,
        place: fields.place,
        subject: fields.subject,
    }
}

/// What an entry without a name of its own is called by: the first of these keys that says something.
fn name_of<'n>(node: &'n Node<'_>, keys: &[&str]) -> Option<&'n str> {
    keys.iter().filter_map(|key| node.find(key)?.text()).find(|text| !text.is_empty())
}

fn method<'n>(entry: &'n Entry<'_>, fields: &Fields<'n, '_>) -> Option<RawMethod<'n>> {
    let read = raw_entry::read(entry, &fields.subject, fields.faults);
    match parse_method(&entry.key) {
        Ok(method) => Some(RawMethod { method: Placed { value: method, place: entry.place }, entry: read? }),
        Err((what, hint)) => {
            let message = fields.subject.tell(format_args!("method `{}` {what}", entry.key));
            fields.faults.push(Fault::error(entry.place, message).hint_if(hint));
            None
        }
    }
}

/// A method is a token (RFC 9110 §9.1); lower-case letters, CONNECT and TRACE are refused on every request.
fn parse_method(text: &str) -> Result<Method, (&'static str, Option<String>)> {
    match text {
        "CONNECT" | "TRACE" => return Err(("is never forwarded", None)),
        _ if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            let hint = Some(format!("write `{}`", text.to_ascii_uppercase()));
            return Err(("has lower-case letters, and methods are case-sensitive", hint));
        }
        _ => {}
    }
    let hint = || did_you_mean(text, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
    Method::from_bytes(text.as_bytes()).map_err(|_| ("is no method", hint()))
}

fn test<'n>(number: usize, node: &'n Node<'_>, faults: &'n Faults) -> Option<RawTest<'n>> {
    let name = name_of(node, &["name"]);
    let subject =
        name.map_or_else(|| Subject::new("test", format_args!("#{number}")), |name| Subject::new("test", name));
    let fields = Fields::read(node, policy_keys::TEST, subject, faults);
    let token = fields.node("token").map(|_| token(&fields.section("token")));
    let expect = fields.node("expect").and_then(|node| expectation(node, &fields));
    Some(RawTest { name: fields.text("name")?, request: fields.text("request")?, token, expect: expect? })
}

fn token<'n>(fields: &Fields<'n, '_>) -> RawToken<'n> {
    RawToken {
        scope: fields.text("scope").map_or("", |text| text.value),
        roles: fields.texts("roles"),
        client: fields.text("client").map(|text| text.value),
        subject: fields.text("subject").map(|text| text.value),
        issuer: fields.text("issuer"),
    }
}

fn expectation<'n>(node: &'n Node<'_>, fields: &Fields<'n, '_>) -> Option<Placed<Expectation<'n>>> {
    let hint = || Some("write `{allow: user}` or `{deny: insufficient_scope}`".to_owned());
    let entry = match &node.value {
        Value::Map(entries) => match entries.as_slice() {
            [entry] if entry.key == "allow" || entry.key == "deny" => entry,
            _ => {
                fields.refuse(node.place, "expect", "must have one key, `allow` or `deny`", hint());
                return None;
            }
        },
        Value::Unreadable => return None,
        Value::Null | Value::Text { .. } | Value::List(_) => {
            fields.refuse(node.place, "expect", format_args!("must be a mapping, not {}", node.value.kind()), hint());
            return None;
        }
    };
    let Some(word) = entry.value.text() else {
        fields.refuse(entry.value.place, "expect", format_args!("`{}` must be one word", entry.key), hint());
        return None;
    };
    let value = if entry.key == "allow" { Expectation::Allow(word) } else { Expectation::Deny(word) };
    Some(Placed { value, place: entry.value.place })
}
