//! Whether what answers at an address is a gateway, and how it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::{StatusCode, Uri};
use serde_json::Value;

use crate::net::{Answer, FetchFault, FetchSettings, Sent, fetch_any};

/// What answers at an admin listener's address.
#[derive(Debug)]
pub(super) enum Running {
    /// A gateway that serves.
    Ready,
    /// A gateway that does not, and its reasons.
    NotReady(Vec<String>),
    /// Something else.
    Other,
}

/// Asks for `/readyz`, whose answer no other server gives.
pub(super) async fn find(address: SocketAddr, timeout: Duration) -> Running {
    let Ok((_, answer)) = ask(address, "/readyz", timeout).await else { return Running::Other };
    let Ok(document) = serde_json::from_slice::<Value>(&answer.body) else { return Running::Other };
    match document.get("ready") {
        Some(Value::Bool(true)) => Running::Ready,
        Some(Value::Bool(false)) => Running::NotReady(reasons(&document)),
        Some(_) | None => Running::Other,
    }
}

/// Why a gateway is not ready, in its own words.
pub(super) fn reasons(document: &Value) -> Vec<String> {
    let list = document.get("reasons").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Asks a server on this machine; no redirect is followed, and any status is an answer.
///
/// # Errors
///
/// As [`fetch_any`].
pub(super) async fn ask(
    address: SocketAddr,
    path: &str,
    timeout: Duration,
) -> Result<(StatusCode, Answer), FetchFault> {
    let url: Uri = format!("http://{}{path}", reached_at(address)).parse().map_err(|_| FetchFault::Url)?;
    fetch_any(FetchSettings { url: &url, accept: "application/json", timeout, ca: None, sent: Sent::default() }).await
}

/// Who listens everywhere listens on loopback too.
fn reached_at(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}
