//! What the two ends of a stage need to speak TLS.

use std::sync::Arc;

use rustls::{ClientConnection, ServerConnection};

use super::tls::{client, server};
use super::{Authority, Issued};

/// An authority that is trusted, and a certificate of it for both the gateway and the upstream.
pub struct StageTls {
    pub authority: Authority,
    pub issued: Issued,
}

impl StageTls {
    pub(super) fn new() -> Self {
        let authority = Authority::new("ours");
        let issued = authority.issue(&["127.0.0.1", "api.test"]);
        Self { authority, issued }
    }

    /// The end of a server that shows `issued` and speaks one of `alpn`; nothing of ALPN if there is none.
    pub fn serve(&self, issued: &Issued, alpn: &[&[u8]]) -> ServerConnection {
        let mut config = server(issued, None);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        ServerConnection::new(Arc::new(config)).expect("a server")
    }

    /// The end of a server that demands a certificate.
    pub fn serve_demanding(&self) -> ServerConnection {
        ServerConnection::new(Arc::new(server(&self.issued, Some(&self.authority)))).expect("a server")
    }

    /// The end of a client that offers `alpn`.
    pub fn connect(&self, alpn: &[&[u8]]) -> ClientConnection {
        let mut config = client(&self.authority);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        ClientConnection::new(Arc::new(config), "api.test".try_into().expect("a name")).expect("a client")
    }
}
