//! A running server, asked whether it is well.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::running::{ask, reasons};

/// What a probe comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the server is well.
    pub well: bool,
    /// Why, in one line.
    pub reason: String,
}

/// Asks the server at `address` for `path`, `/healthz` or `/readyz`; it is well if it answers 200 within `timeout`.
///
/// # Errors
///
/// What the system says when it refuses an event queue.
pub fn probe(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = format!("`{path}` at {address}");
    Ok(match runtime.block_on(ask(address, path, timeout)) {
        Ok((StatusCode::OK, _)) => Verdict { well: true, reason: format!("{asked} answers 200") },
        Ok((status, answer)) => {
            let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let why = reasons(&document).join("; ");
            let why = if why.is_empty() { why } else { format!(": {why}") };
            Verdict { well: false, reason: format!("{asked} answers {}{why}", status.as_u16()) }
        }
        Err(fault) => Verdict { well: false, reason: format!("{asked} does not answer: {}", fault.in_one_line()) },
    })
}
