//! Sockets: listeners, TLS, workers, deadlines, upstream connections, tunnels, drain.
//!
//! This room moves bytes and bounds how long and how many. It knows the connections of HTTP/1.1 (RFC 9112 §9) and HTTP/2
//! (RFC 9113), and nothing of tokens, scopes or routes: what a request means is decided above, in `gateway`. hyper speaks with peers, and
//! HTTP/2 with upstreams; HTTP/1.1 with upstreams is written and read here.
//!
//! * [`Listener`] opens one `SO_REUSEPORT` socket for each worker, so that the kernel spreads connections and no two workers
//!   share one, or takes over sockets that another process has opened ([`receive_descriptor`], [`passed_sockets`]).
//! * [`Worker`] is a thread with a runtime of its own; everything below lives on one worker and is never sent elsewhere.
//! * [`serve_connection`] serves a peer's connection under [`Drain`]: it waits for bytes with next to nothing held, finds out what the
//!   peer speaks, and drives hyper. [`Watch`] holds the one deadline that a connection, or a stream of HTTP/2, has at any moment; [`Metered`]
//!   counts what a stream brings and tells the watch of what it carries; [`Rewind`] gives back what was read to find out.
//! * [`UpstreamPool`] keeps a worker's connections to one upstream: bounded in number, with a bounded queue, reused last in
//!   first out.
//! * [`Tunnel`] passes on the bytes of two streams that have left HTTP.
//! * [`ServerTls`] and [`ClientTls`] make a [`Stream`] of a socket under TLS, with a peer and with an upstream.
//! * [`fetch()`] is the small client for key sets and whatever else issuers are asked for; [`Fetcher`] keeps connections
//!   for questions that follow one another.
//! * [`serve_router()`] serves what stands beside the data plane, on a runtime of its own: the admin listener, the authorization server.
//! * [`Schedule`] says when something is asked for again, and [`Polled`] describes what is asked for every few seconds.

#[cfg(any(test, fuzzing))]
mod answer_fuzzing;
mod attempts;
mod bind;
mod connect;
mod drain;
mod driver;
mod fetch;
mod fetch_connection;
mod fetch_request;
#[cfg(test)]
pub(crate) mod fetch_testing;
#[cfg(test)]
mod fetch_tests;
mod fetcher;
#[cfg(test)]
mod fetcher_tests;
mod framing;
mod handover;
mod http1_answer;
mod http1_chunks;
mod http1_exchange;
mod http1_head;
mod http1_upload;
mod http2_answer;
mod http2_frames;
mod http2_path;
#[cfg(test)]
mod http2_path_tests;
mod http2_streams;
mod http2_wire;
mod http2_written;
mod lease;
mod linger;
mod listener;
mod metered;
mod multiplex;
mod multiplexed;
mod network;
mod parked;
mod polled;
mod pool;
mod protocol;
mod rewind;
mod schedule;
mod serve;
mod serve_http1;
mod serve_http2;
mod serve_router;
mod socket;
mod socket_file;
mod spare;
mod stream;
mod tls_certificate;
mod tls_client;
mod tls_fault;
mod tls_names;
mod tls_pem;
mod tls_provider;
mod tls_server;
#[cfg(test)]
mod tls_tests;
mod tunnel;
mod turns;
mod upstream_pool;
mod warm;
mod watch;
mod worker;

#[cfg(any(test, fuzzing))]
pub use answer_fuzzing::answer as fuzz_answer;
pub use bind::Listener;
pub use connect::{ConnectFault, Endpoint};
pub use drain::{Drain, Drained};
pub use fetch::{Answer, BODY_LIMIT, FetchFault, FetchSettings, fetch, fetch_any};
pub use fetch_request::{Content, Credentials, Sent, is_loopback};
pub use fetcher::Fetcher;
pub use framing::{ExchangeFault, is_incomplete, is_malformed, reset};
pub use handover::{passed_sockets, receive_descriptor, send_descriptor};
pub use listener::{Acceptor, BACKLOG, ListenAddress, Listening};
pub use metered::Metered;
pub use network::Network;
pub use polled::Polled;
pub use protocol::{Protocol, Protocols};
pub use rewind::Rewind;
pub use schedule::{Schedule, chance};
pub use serve::{
    Accepted, Application, ConnectionEnd, ConnectionEvent, Excess, ServerLimits, Switched, serve_connection,
};
pub use serve_router::{RouterBounds, serve_router};
pub use socket::Socket;
pub use socket_file::LONGEST_SOCKET_PATH;
pub use spare::lacks_descriptors;
pub use stream::Stream;
pub use tls_certificate::{Certificate, CertificateDoubt};
pub use tls_client::{ClientTls, ClientTlsSettings};
pub use tls_fault::{AcceptFault, CertificateFault, HandshakeFault, TlsFault};
pub use tls_pem::read_certificates;
pub use tls_provider::Roots;
pub use tls_server::{ClientCertificates, ServerTls, ServerTlsSettings, TlsVersion};
pub use tunnel::{Carried, Tunnel, TunnelEnd};
pub use upstream_pool::{Lease, PoolEvent, PoolSettings, SendFault, UpstreamPool};
pub use warm::WarmPlaces;
pub use watch::{Phase, Watch};
pub use worker::Worker;
