//! The demo: authorization server, gateway and sample API on loopback, and a page that walks through what they do together.
//!
//! Everything is made anew at each start, in a folder that is removed at the end: keys, secrets, passwords, databases. The three
//! servers are the product's own, started from files that lie in the folder to be read; only who is there (people, clients, rows)
//! is written into the databases by this room.
//!
//! The page is an OAuth client like any other: it reads the authorization server's metadata (RFC 8414), sends the browser there with
//! PKCE and `state`, compares `iss` in what comes back (RFC 9207), and redeems the code with a secret. It knows of the servers what any
//! client knows, apart from the names and passwords that it shows.

mod calls;
mod client;
mod exchange;
mod explain;
mod fault;
mod files;
mod first_tokens;
mod folder;
mod page;
mod people;
mod random;
mod ready;
mod roles;
mod sessions;
mod start;
mod tokens;
mod view;

pub use fault::DemoFault;
pub use first_tokens::FirstTokens;
pub use start::{Addresses, Demo, Wanted};
