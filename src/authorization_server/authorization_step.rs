//! What an authorization request waits for. Pure.

use super::authorization_fault::AuthorizationFault;
use super::authorization_request::AuthorizationRequest;
use super::grant;
use crate::store::{ScopeNames, Seconds, Session};

/// How long a login counts for the request that it was asked for, in seconds: what shows it stands in an address, which a browser
/// remembers for as long as it likes.
const LOGIN_COUNTS: Seconds = 600;

/// What is next for an authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The user logs in.
    LogIn,
    /// The user replaces a one-time password.
    ChangePassword,
    /// The user says which account is meant.
    ChooseAccount,
    /// The user says what the client may do.
    Ask(Question),
    /// A code is issued, and nobody need be asked.
    Issue,
    /// There is no code.
    Refuse(AuthorizationFault),
}

/// What the consent page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// What is asked for and was not approved yet.
    pub(super) new: ScopeNames,
    /// What the token will hold anyway; told only where the client wants the user asked again.
    pub(super) before: ScopeNames,
}

/// What the user did of late for this very request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// Nothing that can be shown.
    Nothing,
    /// Chose the account.
    ChoseAccount,
    /// Logged in, and so chose the account too.
    LoggedIn,
}

/// What counts as approved by a user who approved `approved` (a trusted client asks nobody).
pub(super) fn counted_as_approved(request: &AuthorizationRequest, approved: ScopeNames) -> ScopeNames {
    if request.client.trusted { request.grantable.clone() } else { approved }
}

/// Tells what is next. `approved` is what [`counted_as_approved`] gives for the session's user.
pub(super) fn next_step(
    request: &AuthorizationRequest,
    session: Option<&Session>,
    proof: Proof,
    approved: &ScopeNames,
    now: Seconds,
) -> Step {
    // OpenID Connect Core §3.1.2.6: with `prompt=none` each step that needs the user is an error of its own.
    let ask_for = |step: Step, fault: AuthorizationFault| {
        if request.prompt.none { Step::Refuse(fault) } else { step }
    };
    if request.grantable.is_empty() {
        return Step::Refuse(AuthorizationFault::InvalidScope);
    }
    let Some(session) = session.filter(|session| !must_log_in_again(request, session, proof, now)) else {
        return ask_for(Step::LogIn, AuthorizationFault::LoginRequired);
    };
    if session.must_change_password {
        return ask_for(Step::ChangePassword, AuthorizationFault::InteractionRequired);
    }
    if request.prompt.select_account && proof < Proof::ChoseAccount {
        return Step::ChooseAccount;
    }
    match question(request, approved) {
        Some(question) => ask_for(Step::Ask(question), AuthorizationFault::ConsentRequired),
        None if grant::granted(&request.grantable, approved, &request.requested).is_empty() => {
            Step::Refuse(AuthorizationFault::InvalidScope)
        }
        None => Step::Issue,
    }
}

fn must_log_in_again(request: &AuthorizationRequest, session: &Session, proof: Proof, now: Seconds) -> bool {
    let age = now.saturating_sub(session.authenticated_at);
    let too_old = request.max_age.is_some_and(|max_age| age > max_age);
    // Once the user has logged in for this request, `max_age=0` is satisfied although a second has passed.
    let did_so = proof == Proof::LoggedIn && age <= LOGIN_COUNTS;
    (request.prompt.login || too_old) && !did_so
}

fn question(request: &AuthorizationRequest, approved: &ScopeNames) -> Option<Question> {
    if request.client.trusted {
        return None;
    }
    let new = grant::to_ask(&request.grantable, approved, &request.requested);
    let before = match request.prompt.consent {
        true => grant::granted(&request.grantable, approved, &request.requested),
        false => ScopeNames::default(),
    };
    (!new.is_empty() || !before.is_empty()).then_some(Question { new, before })
}
