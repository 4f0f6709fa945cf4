//! `scopegate authorization-server role …` and `scope …`.

use clap::ValueEnum;

use crate::authorization_server::{RoleChange, RoleView, ScopeView};
use crate::store::{Level, Role, ScopeNames};

use super::administer::{Administered, Printed, table, words};
use super::fault::Fault;

/// How far a role reaches.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Reach {
    /// The whole tenant
    Admin,
    /// What the user owns or shares
    User,
}

impl From<Reach> for Level {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Admin => Self::Admin,
            Reach::User => Self::User,
        }
    }
}

/// What there is to do with roles.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a role
    #[command(
        after_help = "Example:\n  scopegate authorization-server role add Analyst --level user --scope apps:read --scope automations:read"
    )]
    Add {
        /// Its name
        #[arg(value_name = "ROLE")]
        name: String,
        /// How far it reaches
        #[arg(long, value_enum)]
        level: Reach,
        /// A scope that it permits; may be given several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        printed: Printed,
    },
    /// Change what a role permits; it takes effect without any new token
    #[command(
        after_help = "Example:\n  scopegate authorization-server role change Analyst --add-scope apps:export --remove-scope apps:read"
    )]
    Change {
        /// Its name
        #[arg(value_name = "ROLE")]
        name: String,
        /// How far it reaches
        #[arg(long, value_enum)]
        level: Option<Reach>,
        /// A scope that it permits besides; may be given several times
        #[arg(long, value_name = "SCOPE")]
        add_scope: Vec<String>,
        /// A scope that it permits no more; may be given several times
        #[arg(long, value_name = "SCOPE")]
        remove_scope: Vec<String>,
        #[command(flatten)]
        printed: Printed,
    },
    /// List roles
    #[command(after_help = "Example:\n  scopegate authorization-server role list")]
    List {
        #[command(flatten)]
        printed: Printed,
    },
    /// Remove a role, also from every user
    #[command(after_help = "Example:\n  scopegate authorization-server role remove Analyst")]
    Remove {
        /// Its name
        #[arg(value_name = "ROLE")]
        name: String,
        #[command(flatten)]
        printed: Printed,
    },
}

/// What there is to do with scopes, which are written in the policy files.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ScopeCommand {
    /// List the scopes that may be granted
    #[command(after_help = "Example:\n  scopegate authorization-server scope list")]
    List {
        #[command(flatten)]
        printed: Printed,
    },
}

/// Does it, and prints the result.
pub(super) fn run(command: &Command, administered: &Administered) -> Result<(), Fault> {
    match command {
        Command::Add { name, level, scopes, printed } => {
            let scopes = scopes.iter().map(String::as_str).collect();
            let role = Role { name: name.clone(), level: (*level).into(), scopes, is_default: false };
            administered.run(async |administration| administration.add_role(&role).await)?;
            tell("added", role, *printed)
        }
        Command::Change { name, level, add_scope, remove_scope, printed } => {
            let (add, remove) = (names(add_scope), names(remove_scope));
            let to = |role: &Role| RoleChange {
                level: level.map(Into::into),
                scopes: Some(role.scopes.union(&add).without(&remove)),
            };
            let role = administered.run(async |administration| administration.change_role(name, to).await)?;
            tell("changed", role, *printed)
        }
        Command::List { printed } => list(administered, *printed),
        Command::Remove { name, printed } => {
            administered.run(async |administration| administration.remove_role(name).await)?;
            printed.print(&serde_json::json!({"name": name}), || format!("removed {name}\n"))
        }
    }
}

/// Prints the catalogue.
pub(super) fn run_scopes(command: &ScopeCommand, administered: &Administered) -> Result<(), Fault> {
    let ScopeCommand::List { printed } = command;
    let views: Vec<ScopeView> = administered.catalogue.iter().map(ScopeView::from).collect();
    printed.print(&views, || {
        let row = |view: &ScopeView| {
            let side = Level::from(view.side).as_str();
            let uses = match (view.token, view.role) {
                (true, true) => "token role",
                (true, false) => "token",
                (false, _) => "role",
            };
            [view.name.clone(), side.to_owned(), uses.to_owned(), view.describe.clone()]
        };
        table(["scope", "side", "uses", "what it is"], &views.iter().map(row).collect::<Vec<_>>())
    })
}

fn list(administered: &Administered, printed: Printed) -> Result<(), Fault> {
    let roles = administered.run(async |administration| Ok(administration.store.roles().await?))?;
    let views: Vec<RoleView> = roles.into_iter().map(RoleView::from).collect();
    printed.print(&views, || {
        let row = |view: &RoleView| {
            let kind = if view.default { "default" } else { "custom" };
            [view.name.clone(), Level::from(view.level).as_str().to_owned(), kind.to_owned(), words(&view.scopes)]
        };
        table(["role", "level", "", "scopes"], &views.iter().map(row).collect::<Vec<_>>())
    })
}

fn tell(what: &str, role: Role, printed: Printed) -> Result<(), Fault> {
    let view = RoleView::from(role);
    printed.print(&view, || format!("{what} {}: {}\n", view.name, words(&view.scopes)))
}

fn names(list: &[String]) -> ScopeNames {
    list.iter().map(String::as_str).collect()
}
