//! Whether the gateway has read everything that it needs of the authorization server.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode};

use super::exchange;
use super::fault::DemoFault;

/// How long that may take.
const LONGEST: Duration = Duration::from_secs(15);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// Returns when the gateway's `/readyz` says so: keys, revocation feed and role directory have been read.
///
/// # Errors
///
/// [`DemoFault::NotReady`].
pub(super) async fn wait_for(admin: SocketAddr) -> Result<(), DemoFault> {
    let asked = async {
        while !is_ready(admin).await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(LONGEST, asked).await.map_err(|_| DemoFault::NotReady)
}

async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(request) = Request::get(format!("http://{admin}/readyz")).body(String::new()) else { return false };
    exchange::send(request).await.is_ok_and(|answer| answer.status == StatusCode::OK)
}
