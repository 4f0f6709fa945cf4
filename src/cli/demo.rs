//! `scopegate demo`: a first look in one command.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::app;
use crate::clock::Clock;

use super::demo_files::{Addresses, Folder};
use super::demo_story::{Tokens, tell};
use super::fault::{Answer, Fault};
use super::test_key::TestKey;
use super::{demo_api, output};

/// What `demo` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scopegate demo\n\nA port that is taken is replaced by a free one, unless you named it. Everything listens on loopback, with keys made on the spot."
)]
pub(super) struct Arguments {
    /// Where the gateway listens [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    gateway: Option<SocketAddr>,
    /// Where its admin listener does [default: 127.0.0.1:9901]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    admin: Option<SocketAddr>,
    /// Where the sample API does [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    api: Option<SocketAddr>,
}

/// Starts everything, says what to try, and runs until Ctrl-C.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let key = TestKey::generate().map_err(|fault| Fault::internal("no key", fault))?.named("demo".to_owned());
    let api = listener(arguments.api, 9000)?;
    let api = demo_api::start(api).map_err(|error| not_started("the sample API could not start", error))?;
    let addresses = Addresses { gateway: free(arguments.gateway, 8080)?, admin: free(arguments.admin, 9901)?, api };
    let folder = Folder::write(&key, &addresses)?;
    let running = app::start(&folder.file("scopegate.yaml")).map_err(Fault::of_start)?;
    let tokens = Tokens::sign(&key, Clock::system().now())?;
    output::print(&tell(&addresses, &tokens, folder.path()))?;
    running.wait();
    Ok(Answer::Yes)
}

/// The address that was asked for, or the friendly one, or a free one.
fn listener(wanted: Option<SocketAddr>, friendly: u16) -> Result<TcpListener, Fault> {
    let on_loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let bound = match wanted {
        Some(address) => TcpListener::bind(address),
        None => TcpListener::bind(on_loopback(friendly)).or_else(|_| TcpListener::bind(on_loopback(0))),
    };
    bound.map_err(|error| {
        let address = wanted.unwrap_or_else(|| on_loopback(friendly));
        not_started(&format!("cannot listen on {address}"), error)
    })
}

/// An address that nobody listens on, for a server that binds it itself.
fn free(wanted: Option<SocketAddr>, friendly: u16) -> Result<SocketAddr, Fault> {
    let listener = listener(wanted, friendly)?;
    listener.local_addr().map_err(|error| not_started("a listener has no address", error))
}

fn not_started(what: &str, error: io::Error) -> Fault {
    Fault::Start { what: what.to_owned(), source: error }
}

/// The demo's key opens its gateway: nobody else may reach it.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "an address is written `127.0.0.1:8080`")?;
    if address.ip().is_loopback() { Ok(address) } else { Err("the demo listens on loopback only".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for text in ["127.0.0.1:8080", "127.9.9.9:0", "[::1]:8080"] {
            assert!(loopback(text).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80", "[::ffff:127.0.0.1]:80", "localhost:8080", "8080", ""]
        {
            assert!(loopback(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_taken_port_is_replaced_unless_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let holder = TcpListener::bind(taken).expect("the port again");
        let replaced = free(None, taken.port()).expect("another port");
        assert_ne!(replaced.port(), taken.port());
        assert!(free(Some(taken), taken.port()).is_err());
        drop(holder);
    }
}
