//! An authorization server's file → its settings, as far as they need no policy.

use std::net::SocketAddr;
use std::time::Duration;

use crate::authorization_server::{AuthorizationServerSettings, Lifetimes};
use crate::net::{Network, is_loopback};
use crate::telemetry::LogSettings;
use crate::token::Secret;

use super::authorization_server_keys;
use super::faults::{Fault, Faults};
use super::gateway_file::{log_lines, network, policy, refuse_empty};
use super::issuers::non_empty;
use super::node::Node;
use super::paths;
use super::read::{Fields, Subject};
use super::scalars::{Wrong, duration};
use super::secrets::{Folder, not_empty};
use super::source::Placed;

/// Fewer letters could be guessed: base64 of fifteen random bytes has as many.
const SHORTEST_GATEWAY_TOKEN: usize = 20;

/// An authorization server's file, all but its policy.
#[derive(Debug)]
pub(super) struct AuthorizationServerFile {
    /// `None` after a fault.
    pub(super) settings: Option<AuthorizationServerSettings>,
    pub(super) log: LogSettings,
    /// Files and globs of `policy`.
    pub(super) policy: Vec<Placed<String>>,
}

/// Reads the file's tree.
pub(super) fn read(node: &Node<'_>, folder: &mut Folder<'_>, faults: &Faults) -> AuthorizationServerFile {
    let fields = Fields::read(node, authorization_server_keys::ROOT, Subject::default(), faults);
    AuthorizationServerFile {
        settings: settings(&fields, folder),
        log: log_lines(&fields.section("log")),
        policy: policy(&fields),
    }
}

/// `address` alone; what is wrong beside it is left to `unheard`.
pub(super) fn address(node: &Node<'_>, unheard: &Faults, faults: &Faults) -> Option<SocketAddr> {
    let root = Fields::read(node, authorization_server_keys::ROOT, Subject::default(), unheard);
    let root = root.telling(faults);
    if root.node("address").is_none() {
        root.refuse(root.place, "address", "is missing", None);
    }
    root.parsed("address", |scalar| paths::socket_address(scalar.text)).map(|address| address.value)
}

/// Every key is read before one that is missing ends it.
fn settings(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<AuthorizationServerSettings> {
    refuse_empty(fields, "audience", "name at least one value of `aud` that means the gateway");
    let issuer = fields.parsed("issuer", |scalar| issuer(scalar.text));
    let address = fields.parsed("address", |scalar| paths::socket_address(scalar.text));
    if let (Some(issuer), Some(address)) = (&issuer, &address) {
        refuse_half_free_port(fields, issuer, address);
    }
    let database = not_empty(fields, "database").map(|path| folder.resolve(path.value));
    let audience: Vec<String> = fields.list("audience", non_empty).into_iter().map(|placed| placed.value).collect();
    let gateway_token = gateway_token(fields, folder);
    let trusted_peers: Vec<Network> =
        fields.list("trusted_peers", |scalar| network(scalar.text)).into_iter().map(|placed| placed.value).collect();
    let lifetimes = lifetimes(&fields.section("lifetimes"));
    Some(AuthorizationServerSettings {
        issuer: issuer?.value,
        address: address?.value,
        database: database?,
        audience,
        lifetimes: lifetimes?,
        gateway_token,
        trusted_peers,
    })
}

fn gateway_token(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<Secret> {
    let node = fields.node("gateway_token")?;
    let text = folder.secret(fields, "gateway_token", node)?;
    if text.len() < SHORTEST_GATEWAY_TOKEN {
        let what = format!("is shorter than {SHORTEST_GATEWAY_TOKEN} letters, and could be guessed");
        let hint = "`openssl rand -base64 32` makes one".to_owned();
        fields.refuse(node.place, "gateway_token", what, Some(hint));
        return None;
    }
    Some(Secret::new(&text))
}

/// An issuer identifier (RFC 8414 §2) as everybody compares it, byte for byte: no spelling has a second one that means the same.
fn issuer(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::expected("scheme and authority, such as `https://login.example.com`");
    let uri = paths::origin(text)?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let (scheme, default_port) = if uri.scheme_str() == Some("https") { ("https", 443) } else { ("http", 80) };
    if scheme == "http" && !is_loopback(&uri) {
        return Err(wrong().hint("write `https://`: http is for loopback addresses alone"));
    }
    let port = authority.port_u16().filter(|port| *port != default_port);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    // Browsers write an origin so (RFC 6454 §6.2), and forms are believed by their origin.
    let plain = format!("{scheme}://{}{port}", authority.host().to_ascii_lowercase());
    if text == plain { Ok(plain) } else { Err(wrong().hint(format!("write `{plain}`"))) }
}

/// Port 0 is any free port: an issuer that says so has the port of the address, which then must be free to choose as well.
fn refuse_half_free_port(fields: &Fields<'_, '_>, issuer: &Placed<String>, address: &Placed<SocketAddr>) {
    if issuer.value.ends_with(":0") && address.value.port() != 0 {
        let hint = format!("write port {}", address.value.port());
        fields.refuse(issuer.place, "issuer", "has port 0, and `address` has another", Some(hint));
    }
}

fn lifetimes(fields: &Fields<'_, '_>) -> Option<Lifetimes> {
    let access_token = whole_seconds(fields, "access_token");
    let refresh_token = whole_seconds(fields, "refresh_token");
    let session = whole_seconds(fields, "session");
    let signing_key = whole_seconds(fields, "signing_key");
    let lifetimes = Lifetimes {
        access_token: access_token?,
        refresh_token: refresh_token?,
        session: session?,
        signing_key: signing_key?,
    };
    if lifetimes.signing_key < lifetimes.access_token {
        let message = fields.subject.say("signing_key", "is shorter than `access_token`");
        let fault = Fault::error(fields.place_of("signing_key"), message);
        fields.faults.push(fault.hint("keys would pile up: each is published until its last token has ended"));
    }
    Some(lifetimes)
}

/// `iat` and `exp` are whole seconds (RFC 7519 §2 allows more, and few read it).
fn whole_seconds(fields: &Fields<'_, '_>, name: &str) -> Option<Duration> {
    let shape = fields.shape(name)?;
    let read = fields.parsed(name, |scalar| {
        let value = duration(scalar.text, &shape)?;
        if value.subsec_nanos() == 0 { Ok(value) } else { Err(Wrong::expected("whole seconds")) }
    });
    read.map(|placed| placed.value)
}
