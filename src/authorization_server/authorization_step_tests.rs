//! What an authorization request waits for, case by case.

use std::collections::BTreeSet;

use super::authorization_fault::AuthorizationFault;
use super::authorization_request::AuthorizationRequest;
use super::authorization_request_tests::{catalogue, client, query};
use super::authorization_step::{Proof, Question, Step, counted_as_approved, next_step};
use super::url_encoded::UrlEncoded;
use crate::store::{Client, GrantType, ScopeNames, Session, User};

const NOW: i64 = 1_700_000_000;

fn request(client: Client, more: &str) -> AuthorizationRequest {
    let parameters = UrlEncoded::parse(query(more).as_bytes()).unwrap();
    AuthorizationRequest::check(&parameters, Some(client), &catalogue(), &[]).unwrap()
}

fn session(age: i64, must_change_password: bool) -> Session {
    let user = User {
        id: "usr_ann".to_owned(),
        login: "ann".to_owned(),
        name: "Ann".to_owned(),
        disabled: false,
        roles: BTreeSet::new(),
        created_at: 0,
    };
    Session { hash: String::new(), user, must_change_password, authenticated_at: NOW - age, expires_at: NOW + 60 }
}

fn ask(new: &str, before: &str) -> Step {
    Step::Ask(Question { new: ScopeNames::parse(new), before: ScopeNames::parse(before) })
}

fn step(more: &str, session: Option<&Session>, proof: Proof, approved: &str) -> Step {
    let request = request(client("openid profile offline_access"), more);
    next_step(&request, session, proof, &ScopeNames::parse(approved), NOW)
}

#[test]
fn openid_connect_core_3_1_2_1_prompt() {
    use AuthorizationFault::{ConsentRequired, LoginRequired};
    let young = session(5, false);
    let none = Proof::Nothing;
    for (name, more, who, proof, approved, expected) in [
        ("nobody is logged in", "scope=openid", None, none, "", Step::LogIn),
        ("and none may be asked", "scope=openid&prompt=none", None, none, "", Step::Refuse(LoginRequired)),
        ("there is something to ask", "scope=openid", Some(&young), none, "", ask("openid", "")),
        ("and none may be asked", "scope=openid&prompt=none", Some(&young), none, "", Step::Refuse(ConsentRequired)),
        ("all is approved", "scope=openid", Some(&young), none, "openid", Step::Issue),
        ("silently", "scope=openid&prompt=none", Some(&young), none, "openid", Step::Issue),
        ("login again", "scope=openid&prompt=login", Some(&young), none, "openid", Step::LogIn),
        ("done", "scope=openid&prompt=login", Some(&young), Proof::LoggedIn, "openid", Step::Issue),
        ("a choice is no login", "scope=openid&prompt=login", Some(&young), Proof::ChoseAccount, "openid", Step::LogIn),
        ("choose", "scope=openid&prompt=select_account", Some(&young), none, "openid", Step::ChooseAccount),
        ("done", "scope=openid&prompt=select_account", Some(&young), Proof::ChoseAccount, "openid", Step::Issue),
        (
            "a login is a choice",
            "scope=openid&prompt=select_account",
            Some(&young),
            Proof::LoggedIn,
            "openid",
            Step::Issue,
        ),
        ("nobody to choose", "scope=openid&prompt=select_account", None, none, "", Step::LogIn),
        (
            "consent again",
            "scope=openid&prompt=consent",
            Some(&young),
            none,
            "openid profile",
            ask("", "openid profile"),
        ),
        ("with more", "scope=openid+profile&prompt=consent", Some(&young), none, "openid", ask("profile", "openid")),
    ] {
        assert_eq!(step(more, who, proof, approved), expected, "{name}: {more}");
    }
}

#[test]
fn openid_connect_core_3_1_2_1_max_age_and_what_comes_before_all_else() {
    use AuthorizationFault::{InteractionRequired, LoginRequired};
    let (young, old, one_time) = (session(5, false), session(500, false), session(5, true));
    let (slow, stale) = (session(600, false), session(601, false));
    let none = Proof::Nothing;
    for (name, more, who, proof, approved, expected) in [
        ("young enough", "scope=openid&max_age=5", Some(&young), none, "openid", Step::Issue),
        ("too old", "scope=openid&max_age=499", Some(&old), none, "openid", Step::LogIn),
        (
            "too old, silently",
            "scope=openid&max_age=4&prompt=none",
            Some(&young),
            none,
            "openid",
            Step::Refuse(LoginRequired),
        ),
        ("no age at all", "scope=openid&max_age=0", Some(&young), none, "openid", Step::LogIn),
        ("done", "scope=openid&max_age=0", Some(&young), Proof::LoggedIn, "openid", Step::Issue),
        ("slowly", "scope=openid&max_age=0", Some(&slow), Proof::LoggedIn, "openid", Step::Issue),
        ("long ago", "scope=openid&max_age=0", Some(&stale), Proof::LoggedIn, "openid", Step::LogIn),
        ("long ago", "scope=openid&prompt=login", Some(&stale), Proof::LoggedIn, "openid", Step::LogIn),
        ("a one-time password", "scope=openid", Some(&one_time), none, "openid", Step::ChangePassword),
        ("silently", "scope=openid&prompt=none", Some(&one_time), none, "openid", Step::Refuse(InteractionRequired)),
        ("login comes first", "scope=openid&prompt=login", Some(&one_time), none, "openid", Step::LogIn),
    ] {
        assert_eq!(step(more, who, proof, approved), expected, "{name}: {more}");
    }
}

#[test]
fn rules_2_3_5_and_7_what_is_asked_and_when_nothing_could_be_granted() {
    let ann = session(5, false);
    let refused = || Step::Refuse(AuthorizationFault::InvalidScope);
    for (name, more, approved, expected) in [
        ("empty seeks no approval", "scope", "", refused()),
        ("and takes what stands", "scope", "openid", Step::Issue),
        ("only what is asked for is asked", "scope=openid", "", ask("openid", "")),
        ("and only what is new", "scope=openid+profile", "openid", ask("profile", "")),
        ("duplicates mean nothing", "scope=openid++openid", "", ask("openid", "")),
        ("what nobody knows", "scope=nosuch:scope", "", refused()),
        ("what the client may not have", "scope=admin.users", "", refused()),
        ("beside what stands", "scope=admin.users", "openid", Step::Issue),
        ("offline access is never implicit", "scope", "offline_access", refused()),
        ("asked for, it is asked", "scope=openid+offline_access", "openid", ask("offline_access", "")),
        ("and once approved, granted", "scope=offline_access", "offline_access", Step::Issue),
    ] {
        assert_eq!(step(more, Some(&ann), Proof::Nothing, approved), expected, "{name}: {more}");
    }
}

#[test]
fn rule_5_nobody_is_asked_for_offline_access_by_a_client_that_could_not_use_it() {
    let ann = session(5, false);
    let without = Client { grant_types: [GrantType::AuthorizationCode].into(), ..client("openid offline_access") };
    for (more, approved, expected) in [
        ("scope=openid+offline_access", "", ask("openid", "")),
        ("scope=offline_access", "openid", Step::Issue),
        ("scope=offline_access", "offline_access", Step::Refuse(AuthorizationFault::InvalidScope)),
    ] {
        let request = request(without.clone(), more);
        let step = next_step(&request, Some(&ann), Proof::Nothing, &ScopeNames::parse(approved), NOW);
        assert_eq!(step, expected, "{more}");
    }
}

#[test]
fn a_client_that_may_have_nothing_is_refused_before_anybody_logs_in() {
    let nothing = request(client("nosuch:scope"), "scope=openid");
    let step = next_step(&nothing, None, Proof::Nothing, &ScopeNames::default(), NOW);
    assert_eq!(step, Step::Refuse(AuthorizationFault::InvalidScope));
}

#[test]
fn rule_11_a_trusted_client_asks_nobody() {
    let ann = session(5, false);
    for more in ["scope=openid", "scope", "scope=openid+offline_access", "scope=openid&prompt=consent", "prompt=none"] {
        let request = request(Client { trusted: true, ..client("openid profile offline_access") }, more);
        let approved = counted_as_approved(&request, ScopeNames::default());
        assert_eq!(approved.to_string(), "offline_access openid profile");
        assert_eq!(next_step(&request, Some(&ann), Proof::Nothing, &approved, NOW), Step::Issue, "{more}");
        assert_eq!(next_step(&request, None, Proof::Nothing, &approved, NOW) == Step::LogIn, more != "prompt=none");
    }
}
