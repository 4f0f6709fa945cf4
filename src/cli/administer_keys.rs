//! `scopegate authorization-server key …`.

use serde_json::{Value, json};

use crate::authorization_server::{AdministrationFault, KeyRotationFault, rotate_signing_key};
use crate::store::SigningKey;

use super::administer::{Administered, Printed, now, table};
use super::fault::Fault;

/// What there is to do with signing keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the keys that are published
    #[command(after_help = "Example:\n  scopegate authorization-server key list")]
    List {
        #[command(flatten)]
        printed: Printed,
    },
    /// Make the next key: it is published at once, and signs when everybody can have read it
    #[command(
        after_help = "Example:\n  scopegate authorization-server key rotate\n\nThe server does it by itself each `lifetimes.signing_key`. The key before it is published until its last token has ended."
    )]
    Rotate {
        #[command(flatten)]
        printed: Printed,
    },
}

/// Does it, and prints the result.
pub(super) fn run(command: &Command, administered: &Administered) -> Result<(), Fault> {
    let now = now();
    match command {
        Command::List { printed } => {
            let keys = administered.run(async |administration| Ok(administration.store.signing_keys().await?))?;
            let views: Vec<Value> = keys.iter().map(view).collect();
            printed.print(&views, || {
                let row = |key: &SigningKey| {
                    let state =
                        if key.signs_from > now { format!("in {} s", key.signs_from - now) } else { "yes".into() };
                    [key.kid.clone(), state]
                };
                table(["kid", "has begun to sign"], &keys.iter().map(row).collect::<Vec<_>>())
            })
        }
        Command::Rotate { printed } => {
            let lifetimes = &administered.settings.lifetimes;
            let key = administered.run(async |administration| {
                let rotated = rotate_signing_key(administration.store, lifetimes, now).await;
                rotated.map_err(|fault| match fault {
                    KeyRotationFault::Store(fault) => AdministrationFault::from(fault),
                    KeyRotationFault::NoRandomness(fault) => AdministrationFault::from(fault),
                })
            })?;
            let text = || format!("{} is published, and signs in {} s\n", key.kid, key.signs_from - now);
            printed.print(&view(&key), text)
        }
    }
}

fn view(key: &SigningKey) -> Value {
    json!({"kid": key.kid, "signs_from": key.signs_from})
}
