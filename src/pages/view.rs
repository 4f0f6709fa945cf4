//! What each page shows.

use askama::Template;

use super::Day;

/// Who is logged in, for people to read.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name.
    pub name: String,
    /// What is typed at login.
    pub login: String,
}

/// A scope in plain words.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The scope.
    pub name: String,
    /// What it lets an application do.
    pub describe: String,
    /// Whether it reaches the whole tenant.
    pub is_admin: bool,
    /// Whether its box is ticked; of no account where there is no box.
    pub ticked: bool,
}

/// Scopes of one reach.
#[derive(Clone, Debug)]
pub struct ScopeGroup {
    /// Whether they reach the whole tenant.
    pub is_admin: bool,
    /// At least one.
    pub scopes: Vec<Scope>,
}

/// Asks for login and password.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// The name of the client that waits for the login.
    pub client: Option<String>,
    /// What the login field holds already.
    pub login: String,
    /// What went wrong before: a sentence.
    pub problem: Option<String>,
    /// Bound to the cookie of the login.
    pub csrf: String,
    /// Where the login leads, as the server will read it.
    pub to: String,
}

/// Asks for a new password.
#[derive(Debug, Template)]
#[template(path = "password.html")]
pub struct PasswordPage {
    /// Whether the password until now works only once; then it is not asked for again.
    pub forced: bool,
    /// Of the user, for a password manager to see.
    pub login: String,
    /// The least number of characters.
    pub shortest: usize,
    /// What went wrong before: a sentence.
    pub problem: Option<String>,
    /// Bound to the session.
    pub csrf: String,
    /// Where the change leads, as the server will read it.
    pub to: String,
}

/// Asks which account to go on with.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// The name of the client that waits.
    pub client: String,
    /// Who is logged in.
    pub person: Person,
    /// Where another account logs in.
    pub other_account: String,
    /// Bound to the session.
    pub csrf: String,
    /// Where the choice leads, as the server will read it.
    pub to: String,
}

/// Asks what a client may do.
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    /// The client's name.
    pub client: String,
    /// Who is logged in.
    pub person: Person,
    /// Where another account logs in.
    pub other_account: String,
    /// What is asked for; each scope once.
    pub groups: Vec<ScopeGroup>,
    /// What is asked for and was approved before.
    pub before: Vec<Scope>,
    /// The host, or the scheme of an application on the device, that the answer goes to.
    pub leads_to: String,
    /// What went wrong before: a sentence.
    pub problem: Option<String>,
    /// Bound to the session.
    pub csrf: String,
    /// The authorization request, as the server will read it.
    pub to: String,
}

/// What a user approved for one client.
#[derive(Clone, Debug)]
pub struct ClientApprovals {
    /// The client's identifier.
    pub id: String,
    /// The client's name.
    pub name: String,
    /// At least one.
    pub approvals: Vec<Approval>,
}

/// One approval.
#[derive(Clone, Debug)]
pub struct Approval {
    /// What was approved.
    pub scope: Scope,
    /// When it was approved.
    pub since: Day,
}

/// Shows what every client was approved for, and lets it be taken back.
#[derive(Debug, Template)]
#[template(path = "approvals.html")]
pub struct ApprovalsPage {
    /// Clients with at least one approval.
    pub clients: Vec<ClientApprovals>,
    /// What was done just now: a sentence.
    pub said: Option<String>,
    /// How long an access token lives, in words: `5 minutes`.
    pub token_lifetime: String,
    /// Bound to the session.
    pub csrf: String,
}

/// The first page after a login of its own accord.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// Who is logged in.
    pub person: Person,
    /// Names of the user's roles, as a list for people.
    pub roles: String,
}

/// Asks whether to log out.
#[derive(Debug, Template)]
#[template(path = "logout.html")]
pub struct LogoutPage {
    /// Who is logged in.
    pub person: Person,
    /// Bound to the session.
    pub csrf: String,
}

/// Says that something cannot be done, or is done.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    /// In a few words.
    pub title: String,
    /// What happened.
    pub what: String,
    /// What the reader can do.
    pub advice: String,
    /// Where to go from here.
    pub link: Option<Link>,
    /// The status code of an error.
    pub code: Option<u16>,
}

/// A link to a page of this server.
#[derive(Clone, Debug)]
pub struct Link {
    /// A path, with a query maybe.
    pub address: String,
    /// What it says.
    pub text: &'static str,
}
