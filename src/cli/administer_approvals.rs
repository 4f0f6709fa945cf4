//! `scopegate authorization-server approvals …`.

use serde_json::json;

use crate::authorization_server::ApprovalView;
use crate::store::{ApprovalFilter, Store, StoreFault};

use super::administer::{Administered, PAGE, Printed, table};
use super::administer_users::find;
use super::fault::Fault;

/// What there is to do with approvals. USER is a login or an identifier.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what users approved
    #[command(after_help = "Example:\n  scopegate authorization-server approvals list --user nora")]
    List {
        /// A login or an identifier
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// A `client_id`
        #[arg(long, value_name = "CLIENT")]
        client: Option<String>,
        #[command(flatten)]
        printed: Printed,
    },
    /// Remove one approval, or all that a user gave a client; tokens already issued are revoked
    #[command(
        after_help = "Example:\n  scopegate authorization-server approvals remove --user nora --client dashboard --scope automations"
    )]
    Remove {
        /// A login or an identifier
        #[arg(long, value_name = "USER")]
        user: String,
        /// A `client_id`
        #[arg(long, value_name = "CLIENT")]
        client: String,
        /// One scope [default: all]
        #[arg(long, value_name = "SCOPE")]
        scope: Option<String>,
        #[command(flatten)]
        printed: Printed,
    },
}

/// Does it, and prints the result.
pub(super) fn run(command: &Command, administered: &Administered) -> Result<(), Fault> {
    match command {
        Command::List { user, client, printed } => {
            let user = user.as_deref().map(|user| find(administered, user)).transpose()?;
            let filter = ApprovalFilter { user: user.as_ref().map(|user| user.id.as_str()), client: client.as_deref() };
            list(administered, filter, *printed)
        }
        Command::Remove { user, client, scope, printed } => {
            let user = find(administered, user)?;
            let scope = scope.as_deref();
            administered.run(async |administration| administration.remove_approval(&user.id, client, scope).await)?;
            let text = || format!("removed what {} approved for {client}: {}\n", user.login, scope.unwrap_or("all"));
            printed.print(&json!({"user": user.id, "client": client, "scope": scope}), text)
        }
    }
}

fn list(administered: &Administered, filter: ApprovalFilter<'_>, printed: Printed) -> Result<(), Fault> {
    let key = |view: &ApprovalView| format!("{} {} {}", view.user, view.client, view.scope);
    let views = administered.all(&async |store, after| page(store, filter, after).await, key)?;
    printed.print(&views, || {
        let row = |view: &ApprovalView| [view.user.clone(), view.client.clone(), view.scope.clone()];
        table(["user", "client", "scope"], &views.iter().map(row).collect::<Vec<_>>())
    })
}

async fn page(store: &Store, filter: ApprovalFilter<'_>, after: &str) -> Result<Vec<ApprovalView>, StoreFault> {
    let mut pieces = after.splitn(3, ' ');
    let mut piece = || pieces.next().unwrap_or_default();
    let after = (piece(), piece(), piece());
    Ok(store.approvals(filter, after, PAGE).await?.into_iter().map(ApprovalView::from).collect())
}
