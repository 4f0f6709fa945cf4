//! Connections of the admin listener.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::endpoints::router;
use super::guard::Guard;
use super::handles::AdminHandles;
use crate::net::{RouterBounds, serve_router};
use crate::token::Secret;

/// What an asker may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// For a request's body.
    pub(super) body: Duration,
    /// For everything else.
    pub(super) bounds: RouterBounds,
}

const TIMES: Times = Times {
    body: Duration::from_secs(5),
    bounds: RouterBounds {
        connections: 128,
        head: Duration::from_secs(10),
        age: Duration::from_secs(300),
        grace: Duration::from_secs(5),
    },
};

/// `admin:` of the gateway file.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// What askers must present; needed where the address is not loopback.
    pub token: Option<Secret>,
    /// `/metrics` without the token.
    pub open_metrics: bool,
}

/// Why the admin listener does not serve.
#[derive(Debug, thiserror::Error)]
pub enum AdminFault {
    /// Everybody could reach it.
    #[error("the admin listener on `{0}` is not on a loopback address and needs a token")]
    TokenDemanded(IpAddr),
    /// The listener has no address.
    #[error("the admin listener has no address")]
    Address(#[source] std::io::Error),
}

/// Serves the admin listener until `shutdown` is done, then lets answers that have begun end within 5 seconds.
///
/// The rules for askers follow the address that `listener` is bound to, not that of the settings.
///
/// # Errors
///
/// [`AdminFault`] before the first connection is accepted; never afterwards.
pub async fn serve(
    listener: TcpListener,
    settings: &AdminSettings,
    handles: AdminHandles,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AdminFault> {
    serve_within(TIMES, listener, settings, handles, shutdown).await
}

/// [`serve`], with other times.
pub(super) async fn serve_within(
    times: Times,
    listener: TcpListener,
    settings: &AdminSettings,
    handles: AdminHandles,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AdminFault> {
    let address = listener.local_addr().map_err(AdminFault::Address)?.ip();
    if !address.is_loopback() && settings.token.is_none() {
        return Err(AdminFault::TokenDemanded(address));
    }
    let guard = Guard { address, token: settings.token.clone(), open_metrics: settings.open_metrics };
    serve_router("admin", listener, router(guard, handles, times.body), times.bounds, shutdown).await;
    Ok(())
}
