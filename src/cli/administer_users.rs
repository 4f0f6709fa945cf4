//! `scopegate authorization-server user …`.

use std::collections::BTreeSet;

use serde_json::json;

use crate::authorization_server::{UserDraft, UserView};
use crate::store::{User, UserChange};

use super::administer::{Administered, PAGE, Printed, table, words};
use super::fault::Fault;
use super::output::STRONG;

/// What there is to do with users. USER is a login or an identifier.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a user, and print the one-time password
    #[command(after_help = "Example:\n  scopegate authorization-server user add nora --name 'Nora Berg' --role User")]
    Add {
        /// What is typed at login
        #[arg(value_name = "LOGIN")]
        login: String,
        /// For people to read
        #[arg(long, value_name = "TEXT", default_value = "")]
        name: String,
        /// A role; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        printed: Printed,
    },
    /// List users
    #[command(after_help = "Example:\n  scopegate authorization-server user list --format json")]
    List {
        #[command(flatten)]
        printed: Printed,
    },
    /// Change a user's name, shut a user out, or let a user in again
    #[command(after_help = "Example:\n  scopegate authorization-server user change nora --disabled true")]
    Change {
        /// A login or an identifier
        #[arg(value_name = "USER")]
        user: String,
        /// For people to read
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Whether logging in, and every token, is refused
        #[arg(long, value_name = "BOOLEAN")]
        disabled: Option<bool>,
        #[command(flatten)]
        printed: Printed,
    },
    /// Give a user roles, or take them away
    #[command(after_help = "Example:\n  scopegate authorization-server user role nora --add Analyst --remove User")]
    Role {
        /// A login or an identifier
        #[arg(value_name = "USER")]
        user: String,
        /// A role to give; may be given several times
        #[arg(long, value_name = "ROLE", required_unless_present = "remove")]
        add: Vec<String>,
        /// A role to take away; may be given several times
        #[arg(long, value_name = "ROLE")]
        remove: Vec<String>,
        #[command(flatten)]
        printed: Printed,
    },
    /// Replace a user's password with a one-time password, and print it
    #[command(after_help = "Example:\n  scopegate authorization-server user password nora")]
    Password {
        /// A login or an identifier
        #[arg(value_name = "USER")]
        user: String,
        #[command(flatten)]
        printed: Printed,
    },
    /// Remove a user with approvals, tokens and sessions
    #[command(after_help = "Example:\n  scopegate authorization-server user remove nora")]
    Remove {
        /// A login or an identifier
        #[arg(value_name = "USER")]
        user: String,
        #[command(flatten)]
        printed: Printed,
    },
}

/// Does it, and prints the result.
pub(super) fn run(command: &Command, administered: &Administered) -> Result<(), Fault> {
    match command {
        Command::Add { login, name, roles, printed } => add(administered, login, name, roles, *printed),
        Command::List { printed } => list(administered, *printed),
        Command::Change { user, name, disabled, printed } => {
            let change = UserChange { name: name.clone(), disabled: *disabled, roles: None };
            change_user(administered, user, *printed, |_| change)
        }
        Command::Role { user, add, remove, printed } => change_user(administered, user, *printed, |user| {
            let kept = user.roles.iter().filter(|role| !remove.contains(role));
            let roles: BTreeSet<String> = kept.chain(add).cloned().collect();
            UserChange { roles: Some(roles), ..UserChange::default() }
        }),
        Command::Password { user, printed } => replace_password(administered, user, *printed),
        Command::Remove { user, printed } => remove(administered, user, *printed),
    }
}

fn add(administered: &Administered, login: &str, name: &str, roles: &[String], printed: Printed) -> Result<(), Fault> {
    let draft = UserDraft { login: login.to_owned(), name: name.to_owned(), roles: roles.iter().cloned().collect() };
    let (user, password) = administered.run(async |administration| administration.add_user(&draft).await)?;
    let view = UserView::from(user);
    let text = || format!("added {} as {}\none-time password: {STRONG}{password}{STRONG:#}\n", view.login, view.id);
    printed.print(&json!({"user": view, "one_time_password": password}), text)
}

fn list(administered: &Administered, printed: Printed) -> Result<(), Fault> {
    let users = administered.all(&async |store, after| store.users(after, PAGE).await, |user| user.id.clone())?;
    let views: Vec<UserView> = users.into_iter().map(UserView::from).collect();
    printed.print(&views, || {
        let row = |view: &UserView| {
            let state = if view.disabled { "disabled" } else { "" };
            [view.login.clone(), view.name.clone(), words(&view.roles), view.id.clone(), state.to_owned()]
        };
        table(["login", "name", "roles", "id", ""], &views.iter().map(row).collect::<Vec<_>>())
    })
}

fn change_user(
    administered: &Administered,
    user: &str,
    printed: Printed,
    to: impl FnOnce(&User) -> UserChange,
) -> Result<(), Fault> {
    let found = find(administered, user)?;
    let changed = administered.run(async |administration| administration.change_user(&found.id, to).await)?;
    let view = UserView::from(changed);
    printed.print(&view, || format!("changed {}: roles {}\n", view.login, words(&view.roles)))
}

fn replace_password(administered: &Administered, user: &str, printed: Printed) -> Result<(), Fault> {
    let found = find(administered, user)?;
    let password = administered.run(async |administration| administration.replace_password(&found.id).await)?;
    let text = || format!("one-time password of {}: {STRONG}{password}{STRONG:#}\n", found.login);
    printed.print(&json!({"user": found, "one_time_password": password}), text)
}

fn remove(administered: &Administered, user: &str, printed: Printed) -> Result<(), Fault> {
    let found = find(administered, user)?;
    administered.run(async |administration| administration.remove_user(&found.id).await)?;
    printed.print(&found, || format!("removed {}\n", found.login))
}

/// Finds a user by login or identifier.
///
/// # Errors
///
/// A user that is not there.
pub(super) fn find(administered: &Administered, user: &str) -> Result<UserView, Fault> {
    let found = administered.run(async |administration| {
        let store = administration.store;
        match store.user(user).await? {
            Some(found) => Ok(Some(found)),
            None => Ok(store.user_by_login(user).await?.map(|(found, _)| found)),
        }
    })?;
    let missing = || {
        let hint = "`scopegate authorization-server user list` shows the users";
        Fault::call_with_hint(format!("there is no user `{user}`"), hint)
    };
    found.map(UserView::from).ok_or_else(missing)
}
