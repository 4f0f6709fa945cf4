//! A gateway file's tree → the settings of every room, as far as they need no policy.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::admin::AdminSettings;
use crate::gateway::{Limits, ListenerSettings, RevealRoutes, TrustedPeers};
use crate::net::{ListenAddress, Network, Polled, Protocols};
use crate::telemetry::{LogAccess, LogFormat, LogSettings, LogSubject};
use crate::token::Secret;
use crate::traces::TracesSettings;

use super::ceilings::Switch;
use super::faults::{Fault, Faults};
use super::gateway_keys;
use super::issuers::{self, PlacedIssuer};
use super::node::{Node, Value};
use super::paths;
use super::polled;
use super::read::{Fields, Subject};
use super::scalars::{Wrong, boolean};
use super::secrets::Folder;
use super::source::{Place, Placed};
use super::tls;
use super::traces;
use super::upstreams::{self, Upstream};

/// A gateway file, all but its policy.
#[derive(Debug)]
pub(super) struct GatewayFile {
    pub(super) listeners: Vec<ListenerSettings>,
    pub(super) admin: AdminSettings,
    pub(super) workers: usize,
    pub(super) issuers: Vec<PlacedIssuer>,
    /// Entries of `issuers`, those with a fault included; `None` where something else than a list is written.
    pub(super) issuers_written: Option<usize>,
    pub(super) issuers_are_there: bool,
    pub(super) issuers_place: Place,
    pub(super) role_directory: Option<Polled>,
    /// Where `roles.directory` is written, with a fault or without.
    pub(super) role_directory_place: Option<Place>,
    pub(super) roles_ceiling: Switch,
    pub(super) clients_ceiling: Switch,
    pub(super) reveal_routes: RevealRoutes,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) limits: Limits,
    pub(super) realm: String,
    pub(super) drain_timeout: Duration,
    pub(super) handover_timeout: Duration,
    pub(super) log: LogSettings,
    pub(super) traces: Option<TracesSettings>,
    /// Files and globs of `policy`.
    pub(super) policy: Vec<Placed<String>>,
}

/// Reads a gateway file's tree. What has a fault has its default, for the sake of the faults elsewhere.
pub(super) fn read(node: &Node<'_>, folder: &mut Folder<'_>, faults: &Faults) -> GatewayFile {
    let fields = Fields::read(node, gateway_keys::ROOT, Subject::default(), faults);
    let ceilings = fields.section("ceilings");
    let place = |name| ceilings.node(name).map(|_| ceilings.place_of(name));
    let roles = fields.section("roles");
    let are_read = fields.node("ceilings").is_none_or(|node| node.len().is_some());
    let on = |name| ceilings.parsed(name, boolean).map(|placed| placed.value).filter(|_| are_read);
    let switch = |name| Switch { on: on(name), place: place(name) };
    GatewayFile {
        listeners: listeners(&fields, folder),
        admin: admin(&fields.section("admin"), folder),
        workers: fields.count("workers"),
        issuers: issuers::read(&fields, folder),
        issuers_written: fields.node("issuers").map_or(Some(0), Node::items),
        issuers_are_there: fields.node("issuers").is_some(),
        issuers_place: fields.place_of("issuers"),
        role_directory: roles.node("directory").and_then(|_| role_directory(&roles.section("directory"), folder)),
        role_directory_place: roles.node("directory").map(|_| roles.place_of("directory")),
        roles_ceiling: switch("roles"),
        clients_ceiling: switch("clients"),
        reveal_routes: match fields.choice("reveal_routes") {
            "authenticated" => RevealRoutes::Authenticated,
            _ => RevealRoutes::Always,
        },
        upstreams: upstreams::read(&fields, folder),
        limits: limits(&fields.section("limits")),
        realm: realm(&fields),
        drain_timeout: fields.duration("drain_timeout").unwrap_or_default(),
        handover_timeout: fields.duration("handover_timeout").unwrap_or_default(),
        log: log(&fields.section("log")),
        traces: traces::read(&fields, folder),
        policy: policy(&fields),
    }
}

fn listeners(root: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Vec<ListenerSettings> {
    let nodes = root.items("listeners");
    refuse_empty(root, "listeners", "write at least one, such as `- address: 127.0.0.1:8080`");
    let mut places: HashMap<ListenAddress, Place> = HashMap::new();
    let mut list = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let subject = root.subject.inside(format_args!("listeners[{number}]"));
        let fields = Fields::read(node, gateway_keys::LISTENER, subject, root.faults);
        let public_url = fields.parsed("public_url", |scalar| paths::origin(scalar.text)).map(|placed| placed.value);
        let trusted_peers = trusted_peers(&fields);
        let protocols = protocols(&fields);
        let tls = fields.section_if("tls").map(|fields| tls::of_listener(&fields, folder, protocols));
        if tls.is_some() && public_url.as_ref().is_some_and(|url| url.scheme_str() == Some("http")) {
            let message = fields.subject.say("public_url", "says `http`, and the listener speaks TLS");
            root.faults.push(Fault::warning(fields.place_of("public_url"), message).hint("write `https`"));
        }
        let Some(address) = fields.parsed("address", |scalar| paths::listen_address(scalar.text)) else { continue };
        // Port 0 is any free port, each time another.
        let is_any = matches!(&address.value, ListenAddress::Tcp(address) if address.port() == 0);
        if let Some(first) = places.insert(address.value.clone(), address.place).filter(|_| !is_any) {
            let message = fields.subject.say("address", format_args!("`{}` is listened on already", address.value));
            root.faults.push(Fault::error(address.place, message).related(first, "first written here"));
        }
        warn_of_peers_that_never_come(&fields, &address.value, &trusted_peers);
        list.push(ListenerSettings {
            address: address.value,
            protocols,
            // One with a fault leaves its fault: nothing is ever served without.
            tls: tls.flatten(),
            public_url,
            trusted_peers,
        });
    }
    list
}

/// Networks, and `unix` for whoever comes through a unix socket.
fn trusted_peers(fields: &Fields<'_, '_>) -> TrustedPeers {
    let entries = fields.list("trusted_peers", |scalar| match scalar.text {
        "unix" => Ok(None),
        text => network(text).map(Some),
    });
    let unix = entries.iter().any(|entry| entry.value.is_none());
    TrustedPeers { networks: entries.into_iter().filter_map(|entry| entry.value).collect(), unix }
}

fn warn_of_peers_that_never_come(fields: &Fields<'_, '_>, address: &ListenAddress, trusted: &TrustedPeers) {
    let what = match address {
        ListenAddress::Tcp(_) if trusted.unix => {
            "names `unix`, and nobody comes to this listener through a unix socket"
        }
        ListenAddress::Unix(_) if !trusted.networks.is_empty() => {
            "names networks, and peers at a unix socket have no address: write `unix`"
        }
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) => return,
    };
    let message = fields.subject.say("trusted_peers", format_args!("{what}"));
    fields.faults.push(Fault::warning(fields.place_of("trusted_peers"), message));
}

fn protocols(listener: &Fields<'_, '_>) -> Protocols {
    refuse_empty(listener, "protocols", "write `[http1, http2]`, or one of them");
    let words = listener.choices("protocols");
    Protocols { http1: words.contains(&"http1"), http2: words.contains(&"http2") }
}

fn role_directory(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<Polled> {
    polled::read(fields, folder, "whoever is in between can give any role any scope")
}

pub(super) fn network(text: &str) -> Result<Network, Wrong> {
    let wrong = || Wrong::expected("a network such as `10.0.0.0/8` or `fd00::/8`");
    Network::parse(text).ok_or_else(|| match text.parse::<std::net::IpAddr>() {
        Ok(address) => wrong().hint(format!("write `{address}/{}`", if address.is_ipv4() { 32 } else { 128 })),
        Err(_) => wrong(),
    })
}

/// `admin.address` alone; what is wrong beside it is left to `unheard`.
pub(super) fn admin_address(node: &Node<'_>, unheard: &Faults, faults: &Faults) -> Option<SocketAddr> {
    let root = Fields::read(node, gateway_keys::ROOT, Subject::default(), unheard);
    let admin = root.section("admin").telling(faults);
    admin.parsed("address", |scalar| paths::socket_address(scalar.text)).map(|address| address.value)
}

fn admin(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> AdminSettings {
    let address = fields.parsed("address", |scalar| paths::socket_address(scalar.text));
    let token = fields.node("token").map(|node| folder.secret(fields, "token", node));
    if let Some(address) = address.filter(|address| !address.value.ip().is_loopback() && token.is_none()) {
        let message = fields.subject.say("token", format_args!("is missing, and `{}` is not loopback", address.value));
        let hint = "write `token: {file: admin.token}`, or listen on 127.0.0.1";
        fields.faults.push(Fault::error(address.place, message).hint(hint));
    }
    AdminSettings {
        address: address.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |address| address.value),
        token: token.flatten().map(|text| Secret::new(&text)),
        open_metrics: fields.boolean("open_metrics"),
    }
}

fn limits(fields: &Fields<'_, '_>) -> Limits {
    Limits {
        header_bytes: fields.size("header_bytes"),
        fields: fields.count("fields"),
        target_bytes: fields.size("target_bytes"),
        token_bytes: fields.size("token_bytes"),
        header_time: fields.duration("header_time").unwrap_or_default(),
        body_idle: fields.duration("body_idle").unwrap_or_default(),
        keep_alive: fields.duration("keep_alive").unwrap_or_default(),
        streams: small(fields.count("streams")),
        resets: small(fields.count("resets")),
        requests_in_flight: fields.count("requests_in_flight"),
        tunnels: fields.count("tunnels"),
        connections: fields.count("connections"),
        remembered_tokens: fields.count("remembered_tokens"),
        verification: fields.share("verification"),
    }
}

/// A count whose key allows no more than fits.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn log(fields: &Fields<'_, '_>) -> LogSettings {
    LogSettings {
        access: match fields.choice("access") {
            "all" => LogAccess::All,
            _ => LogAccess::Denied,
        },
        subject: match fields.choice("subject") {
            "hashed" => LogSubject::Hashed,
            _ => LogSubject::Plain,
        },
        ..log_lines(fields)
    }
}

/// `log` of a server without records of requests.
pub(super) fn log_lines(fields: &Fields<'_, '_>) -> LogSettings {
    LogSettings {
        format: match fields.choice("format") {
            "text" => LogFormat::Text,
            _ => LogFormat::Json,
        },
        level: match fields.choice("level") {
            "error" => tracing::Level::ERROR,
            "warn" => tracing::Level::WARN,
            "debug" => tracing::Level::DEBUG,
            "trace" => tracing::Level::TRACE,
            _ => tracing::Level::INFO,
        },
        ..LogSettings::default()
    }
}

/// A realm stands in a quoted-string (RFC 9110 §5.6.4) of every challenge.
fn realm(fields: &Fields<'_, '_>) -> String {
    let plain = |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && byte != b'"' && byte != b'\\';
    let realm = fields.parsed("realm", |scalar| {
        let fits = (1..=128).contains(&scalar.text.len()) && scalar.text.bytes().all(plain);
        let wrong = || Wrong::expected(r#"1 to 128 letters of printable ASCII without `"` and `\`"#);
        if fits { Ok(scalar.text.to_owned()) } else { Err(wrong()) }
    });
    realm.map_or_else(String::new, |placed| placed.value)
}

/// Files and globs of `policy`.
pub(super) fn policy(fields: &Fields<'_, '_>) -> Vec<Placed<String>> {
    refuse_empty(fields, "policy", "write at least one file, such as `[routes.yaml]`");
    fields.texts("policy")
}

/// Refuses a list that is written without an item and must have one.
pub(super) fn refuse_empty(fields: &Fields<'_, '_>, name: &str, hint: &str) {
    if fields.node(name).is_some_and(|node| matches!(&node.value, Value::List(items) if items.is_empty())) {
        fields.refuse(fields.place_of(name), name, "is empty", Some(hint.to_owned()));
    }
}
