//! `scopegate authorization-server client …`.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde_json::json;

use crate::authorization_server::{ClientDraft, ClientView};
use crate::store::{Client, ClientChange, GrantType, ScopeNames};

use super::administer::{Administered, PAGE, Printed, table, words};
use super::fault::Fault;
use super::output::STRONG;

/// A way to a token.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Way {
    /// A user logs in and approves
    AuthorizationCode,
    /// A token is renewed while the user is away
    RefreshToken,
    /// The client acts for itself
    ClientCredentials,
}

impl From<Way> for GrantType {
    fn from(way: Way) -> Self {
        match way {
            Way::AuthorizationCode => Self::AuthorizationCode,
            Way::RefreshToken => Self::RefreshToken,
            Way::ClientCredentials => Self::ClientCredentials,
        }
    }
}

/// What there is to do with clients.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a client, and print its secret
    #[command(after_help = "Examples:
  scopegate authorization-server client add dashboard --name Dashboard --public \\
      --redirect-uri https://dashboard.example.com/callback --scope automations --scope offline_access
  scopegate authorization-server client add reporting-job --name 'Reporting job' --scope apps:read
  scopegate authorization-server client add gateway --name Gateway --introspects

A client with a redirect URI may use authorization_code and refresh_token, another one client_credentials, unless --grant-type says otherwise.")]
    Add(Added),
    /// Change a client; what is taken from its allow list leaves its tokens too
    #[command(after_help = "Example:\n  scopegate authorization-server client change dashboard --add-scope apps:read")]
    Change(Changed),
    /// List clients
    #[command(after_help = "Example:\n  scopegate authorization-server client list")]
    List {
        #[command(flatten)]
        printed: Printed,
    },
    /// Replace a client's secret, and print the new one; the old one is worth nothing at once
    #[command(after_help = "Example:\n  scopegate authorization-server client secret reporting-job")]
    Secret {
        /// The `client_id`
        #[arg(value_name = "CLIENT")]
        id: String,
        #[command(flatten)]
        printed: Printed,
    },
    /// Remove a client with approvals and tokens
    #[command(after_help = "Example:\n  scopegate authorization-server client remove dashboard")]
    Remove {
        /// The `client_id`
        #[arg(value_name = "CLIENT")]
        id: String,
        #[command(flatten)]
        printed: Printed,
    },
}

/// What `client add` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Added {
    /// The `client_id` [default: one is made]
    #[arg(value_name = "CLIENT")]
    id: Option<String>,
    /// For people to read, on the consent page too
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// It cannot keep a secret: an application in a browser or on a device
    #[arg(long)]
    public: bool,
    /// Where codes are sent, byte for byte; may be given several times
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// A way to a token; may be given several times
    #[arg(long = "grant-type", value_enum, value_name = "GRANT_TYPE")]
    grant_types: Vec<Way>,
    /// A scope of its allow list; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Its whole allow list counts as approved: nobody is asked
    #[arg(long)]
    trusted: bool,
    /// It may introspect tokens of other clients: a protected resource, such as the gateway
    #[arg(long)]
    introspects: bool,
    #[command(flatten)]
    printed: Printed,
}

/// What `client change` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Changed {
    /// The `client_id`
    #[arg(value_name = "CLIENT")]
    id: String,
    /// For people to read, on the consent page too
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Where codes are sent; replaces all that there are; may be given several times
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// A way to a token; replaces all that there are; may be given several times
    #[arg(long = "grant-type", value_enum, value_name = "GRANT_TYPE")]
    grant_types: Vec<Way>,
    /// A scope that its allow list has besides; may be given several times
    #[arg(long, value_name = "SCOPE")]
    add_scope: Vec<String>,
    /// A scope that its allow list has no more; may be given several times
    #[arg(long, value_name = "SCOPE")]
    remove_scope: Vec<String>,
    /// Whether its whole allow list counts as approved
    #[arg(long, value_name = "BOOLEAN")]
    trusted: Option<bool>,
    /// Whether it may introspect tokens of other clients
    #[arg(long, value_name = "BOOLEAN")]
    introspects: Option<bool>,
    #[command(flatten)]
    printed: Printed,
}

/// Does it, and prints the result.
pub(super) fn run(command: &Command, administered: &Administered) -> Result<(), Fault> {
    match command {
        Command::Add(added) => add(administered, added),
        Command::Change(changed) => change(administered, changed),
        Command::List { printed } => list(administered, *printed),
        Command::Secret { id, printed } => {
            let secret = administered.run(async |administration| administration.replace_secret(id).await)?;
            let text = || format!("client secret of {id}: {STRONG}{secret}{STRONG:#}\n");
            printed.print(&json!({"client": id, "client_secret": secret}), text)
        }
        Command::Remove { id, printed } => {
            administered.run(async |administration| administration.remove_client(id).await)?;
            printed.print(&json!({"id": id}), || format!("removed {id}\n"))
        }
    }
}

fn add(administered: &Administered, added: &Added) -> Result<(), Fault> {
    let usual = match (added.redirect_uris.as_slice(), added.introspects && added.scopes.is_empty()) {
        ([], true) => BTreeSet::new(),
        ([], false) => [GrantType::ClientCredentials].into(),
        (_, _) => [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
    };
    let draft = ClientDraft {
        id: added.id.clone(),
        name: added.name.clone(),
        confidential: !added.public,
        redirect_uris: added.redirect_uris.iter().cloned().collect(),
        grant_types: ways(&added.grant_types).unwrap_or(usual),
        allow_list: names(&added.scopes),
        trusted: added.trusted,
        introspects: added.introspects,
    };
    let (client, secret) = administered.run(async |administration| administration.add_client(&draft).await)?;
    let view = ClientView::from(client);
    let text = || {
        let secret = secret.as_ref().map(|secret| format!("client secret: {STRONG}{secret}{STRONG:#}\n"));
        format!("added {}: {}\n{}", view.id, words(&view.allow_list), secret.unwrap_or_default())
    };
    added.printed.print(&json!({"client": view, "client_secret": secret}), text)
}

fn change(administered: &Administered, changed: &Changed) -> Result<(), Fault> {
    let (add, remove) = (names(&changed.add_scope), names(&changed.remove_scope));
    let uris = Some(&changed.redirect_uris).filter(|uris| !uris.is_empty());
    let to = |client: &Client| ClientChange {
        name: changed.name.clone(),
        redirect_uris: uris.map(|uris| uris.iter().cloned().collect()),
        grant_types: ways(&changed.grant_types),
        allow_list: Some(client.allow_list.union(&add).without(&remove)),
        trusted: changed.trusted,
        introspects: changed.introspects,
    };
    let client = administered.run(async |administration| administration.change_client(&changed.id, to).await)?;
    let view = ClientView::from(client);
    changed.printed.print(&view, || format!("changed {}: {}\n", view.id, words(&view.allow_list)))
}

fn list(administered: &Administered, printed: Printed) -> Result<(), Fault> {
    let clients =
        administered.all(&async |store, after| store.clients(after, PAGE).await, |client| client.id.clone())?;
    let views: Vec<ClientView> = clients.into_iter().map(ClientView::from).collect();
    printed.print(&views, || {
        let row = |view: &ClientView| {
            let kinds = [
                (true, if view.confidential { "confidential" } else { "public" }),
                (view.trusted, "trusted"),
                (view.introspects, "introspects"),
            ];
            let kinds: Vec<&str> = kinds.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
            [view.id.clone(), view.name.clone(), words(&kinds), words(&view.allow_list)]
        };
        table(["client", "name", "", "allow list"], &views.iter().map(row).collect::<Vec<_>>())
    })
}

/// `None` where nothing is said.
fn ways(list: &[Way]) -> Option<BTreeSet<GrantType>> {
    let types: BTreeSet<GrantType> = list.iter().map(|way| GrantType::from(*way)).collect();
    Some(types).filter(|types| !types.is_empty())
}

fn names(list: &[String]) -> ScopeNames {
    list.iter().map(String::as_str).collect()
}
