//! `scopegate authorization-server key …`.

use serde_json::{Value, json};

use crate::authorization_server::{AdministrationFault, KeyRotationFault, rotate_signing_key, withdraw_signing_key};
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
    /// Withdraw a key that has leaked: it is published no more, and if it signs, a new one signs at once
    #[command(
        after_help = "Example:\n  scopegate authorization-server key withdraw NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n\nTokens that it signed are refused here at once, and by a gateway once it has read the key set again. Refresh tokens stay."
    )]
    Withdraw {
        /// Its `kid`, as `key list` shows it
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
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
                rotate_signing_key(administration.store, lifetimes, now).await.map_err(not_changed)
            })?;
            let text = || format!("{} is published, and signs in {} s\n", key.kid, key.signs_from - now);
            printed.print(&view(&key), text)
        }
        Command::Withdraw { kid, printed } => {
            let follows = administered.run(async |administration| {
                withdraw_signing_key(administration.store, kid, now).await.map_err(not_changed)
            })?;
            let follows = follows.as_ref();
            let text = || {
                let signs = follows.map(|key| format!("{} is published, and signs now\n", key.kid));
                format!("withdrew {kid}\n{}", signs.unwrap_or_default())
            };
            printed.print(&json!({"kid": kid, "follows": follows.map(view)}), text)
        }
    }
}

fn not_changed(fault: KeyRotationFault) -> AdministrationFault {
    match fault {
        KeyRotationFault::Store(fault) => fault.into(),
        KeyRotationFault::NoRandomness(fault) => fault.into(),
    }
}

fn view(key: &SigningKey) -> Value {
    json!({"kid": key.kid, "signs_from": key.signs_from})
}
