//! Decisions in tables: access, the order of refusals, ceilings, and the set that a challenge names.

use super::decide::verdict;
use super::samples::{Listed, catalog, ceilings, written};
use super::*;
use crate::scope::{Catalog, ScopeSet};

/// A token of a user, with neither roles nor client, before any ceiling.
const NOBODY: Token = Token { scope: "", roles: &[], client: None, alone: false };

#[derive(Clone, Copy)]
struct Token {
    scope: &'static str,
    roles: &'static [&'static str],
    client: Option<&'static str>,
    alone: bool,
}

impl Token {
    fn of(scope: &'static str) -> Self {
        Self { scope, ..NOBODY }
    }

    fn with_roles(self, roles: &'static [&'static str]) -> Self {
        Self { roles, ..self }
    }

    fn used_by(self, client: &'static str) -> Self {
        Self { client: Some(client), ..self }
    }

    fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    fn presented(&self) -> Presented<'_> {
        let client = self.client.map_or(PresentedClient::Unnamed, PresentedClient::Named);
        Presented { scope: self.scope, roles: self.roles.to_vec(), client, alone: self.alone }
    }
}

/// `user`, `insufficient_scope: apps spaces, missing spaces`, `client_ceiling`, …
fn told(verdict: Result<Access, Denial>) -> String {
    match verdict {
        Ok(access) => access.to_string(),
        Err(Denial::NoToken { scope: Some(scope) }) => format!("no_token: {scope}"),
        Err(Denial::InsufficientScope { scope: Some(scope), missing: Some(missing) }) => {
            format!("insufficient_scope: {scope}, missing {missing}")
        }
        Err(denial) => denial.reason().to_string(),
    }
}

fn decided(entry: &str, ceilings: &Ceilings, token: &Token) -> String {
    let catalog = catalog();
    let standing = Standing::under(&catalog, ceilings, 1, None, &token.presented());
    told(verdict(&written(&catalog, entry), &catalog, Some(&standing)))
}

const EXPORT: &str = "user: all_of(automations:read, any_of(apps, apps:export)); admin: admin.automations";

#[test]
fn without_ceilings_a_token_may_what_it_holds() {
    let cases = [
        ("public asks for nothing", "public", "", "public"),
        ("authenticated asks for any token", "authenticated", "", "authenticated"),
        ("the scope", "automations:read", "automations:read", "user"),
        ("its parent", "automations:read", "automations", "user"),
        (
            "its child is too little",
            "automations",
            "automations:read",
            "insufficient_scope: automations, missing automations",
        ),
        ("its twin", "automations:read", "admin.automations:read", "admin"),
        ("admin wins where both hold", "automations:read", "automations admin.automations", "admin"),
        (
            "the admin side alone",
            "admin: admin.automations",
            "automations",
            "insufficient_scope: admin.automations, missing admin.automations",
        ),
        ("a pair is taken as written", "user: apps; admin: admin.automations", "admin.automations", "admin"),
        ("a formula", EXPORT, "automations apps:export", "user"),
        (
            "half a formula",
            EXPORT,
            "apps:export",
            "insufficient_scope: automations:read apps:export, missing automations:read",
        ),
        ("unknown names are ignored", "apps", "openid APPS", "insufficient_scope: apps, missing apps"),
    ];
    for (name, entry, scope, expected) in cases {
        assert_eq!(decided(entry, &Ceilings::default(), &Token::of(scope)), expected, "{name}");
    }
}

#[test]
fn without_a_token_the_challenge_names_what_is_required() {
    let catalog = catalog();
    let cases = [
        ("public", "public"),
        ("authenticated", "no_token"),
        ("automations", "no_token: automations"),
        ("admin: admin.automations", "no_token: admin.automations"),
        (EXPORT, "no_token: automations:read apps"),
        ("api-keys", "no_token"),
    ];
    for (entry, expected) in cases {
        assert_eq!(told(verdict(&written(&catalog, entry), &catalog, None)), expected, "{entry}");
    }
}

const ROLES: Listed =
    &[("TenantAdmin", "admin.* automations"), ("Analyst", "automations:read apps"), ("Guest", "spaces")];
const CLIENTS: Listed = &[("reporting-job", "automations:read"), ("guest-book", "spaces"), ("*", "*")];

#[test]
fn the_roles_ceiling_refuses_what_no_role_permits() {
    let all = ceilings(&catalog(), Some(ROLES), Some(CLIENTS), &[]);
    let most = "automations admin.automations apps";
    let cases: [(_, _, _, &[&str], _); 8] = [
        ("a tenant admin", "automations", most, &["TenantAdmin"], "admin"),
        ("a role permits its scopes' children", "automations:read", "automations", &["TenantAdmin"], "user"),
        ("roles add up", "all_of(apps, spaces)", "apps spaces", &["Analyst", "Guest"], "user"),
        ("a role permits no parent", "automations", most, &["Analyst"], "role_ceiling"),
        ("the side that a role leaves", "automations:read", most, &["Analyst"], "user"),
        ("no role permits nothing", "apps", most, &[], "role_ceiling"),
        ("an unknown role permits nothing", "apps", most, &["analyst", ""], "role_ceiling"),
        ("a ceiling adds nothing", "spaces", most, &["Guest"], "insufficient_scope: spaces, missing spaces"),
    ];
    for (name, entry, scope, roles, expected) in cases {
        assert_eq!(decided(entry, &all, &Token::of(scope).with_roles(roles)), expected, "{name}");
    }
}

#[test]
fn the_clients_ceiling_refuses_what_the_client_may_not_use() {
    let all = ceilings(&catalog(), Some(ROLES), Some(CLIENTS), &[]);
    let token = Token::of("automations admin.automations apps spaces").with_roles(&["Analyst"]);
    let cases = [
        ("a listed client", "automations:read", "reporting-job", "user"),
        ("beyond its ceiling", "apps", "reporting-job", "client_ceiling"),
        ("beyond both ceilings: the client's is named", "automations", "reporting-job", "client_ceiling"),
        ("an unlisted client", "apps", "someone", "user"),
        ("the entry of the unlisted, by name", "apps", "*", "user"),
        ("a side for the client, the other for the role", "user: apps; admin: spaces", "guest-book", "role_ceiling"),
    ];
    for (name, entry, client, expected) in cases {
        assert_eq!(decided(entry, &all, &token.used_by(client)), expected, "{name}");
    }
}

#[test]
fn authenticated_is_refused_only_to_a_client_that_may_use_nothing() {
    let mut all = ceilings(&catalog(), Some(ROLES), Some(CLIENTS), &[]);
    all.clients.as_mut().unwrap().insert("barred".to_owned(), ScopeSet::default());
    assert_eq!(decided("authenticated", &all, &NOBODY), "authenticated");
    assert_eq!(decided("authenticated", &all, &NOBODY.used_by("reporting-job")), "authenticated");
    assert_eq!(decided("authenticated", &all, &NOBODY.used_by("barred")), "client_ceiling");
    assert_eq!(decided("public", &all, &NOBODY.used_by("barred")), "public");
}

#[test]
fn a_ceiling_that_is_on_with_nothing_loaded_permits_nothing() {
    let catalog = catalog();
    let (no_roles, no_clients) = (ceilings(&catalog, Some(&[]), None, &[]), ceilings(&catalog, None, Some(&[]), &[]));
    let token = Token::of("automations").with_roles(&["TenantAdmin"]).used_by("reporting-job");
    assert_eq!(decided("automations", &no_roles, &token), "role_ceiling");
    assert_eq!(decided("authenticated", &no_roles, &token), "authenticated");
    assert_eq!(decided("automations", &no_clients, &token), "client_ceiling");
    assert_eq!(decided("authenticated", &no_clients, &token), "client_ceiling");
    assert_eq!(decided("authenticated", &no_clients, &NOBODY), "client_ceiling");
}

#[test]
fn only_a_listed_client_without_user_and_roles_escapes_the_roles_ceiling() {
    let catalog = catalog();
    let all = ceilings(&catalog, Some(ROLES), Some(CLIENTS), &["reporting-job", "*"]);
    let job = Token::of("automations:read apps").used_by("reporting-job").alone();
    let cases = [
        ("the exception", "automations:read", job, "user"),
        ("its client's ceiling stays", "apps", job, "client_ceiling"),
        ("with a user", "automations:read", Token { alone: false, ..job }, "role_ceiling"),
        ("with a role that permits too little", "automations:read", job.with_roles(&["Guest"]), "role_ceiling"),
        ("with a role that is not known", "automations:read", job.with_roles(&["nobody"]), "role_ceiling"),
        ("with a role that permits enough", "automations:read", job.with_roles(&["Analyst"]), "user"),
        ("a client that is not so listed", "automations:read", job.used_by("nothing-else"), "role_ceiling"),
        ("a client that calls itself `*`", "automations:read", job.used_by("*"), "role_ceiling"),
        ("a token that names no client", "automations:read", Token { client: None, ..job }, "role_ceiling"),
    ];
    for (name, entry, token, expected) in cases {
        assert_eq!(decided(entry, &all, &token), expected, "{name}");
    }
}

#[test]
fn a_client_without_ceiling_has_none_but_the_roles() {
    let catalog = catalog();
    let all = ceilings(&catalog, Some(ROLES), Some(&[]), &[]);
    let presented = |roles| Presented { scope: "apps", roles, client: PresentedClient::Unlimited, alone: true };
    let decided = |roles| {
        let standing = Standing::under(&catalog, &all, 1, None, &presented(roles));
        told(verdict(&written(&catalog, "apps"), &catalog, Some(&standing)))
    };
    assert_eq!(decided(vec!["Analyst"]), "user");
    assert_eq!(decided(vec![]), "role_ceiling");
}

#[test]
fn rfc_6750_3_a_challenge_names_the_whole_of_one_set() {
    let (one_of, both) =
        ("any_of(all_of(apps, spaces), all_of(automations, apps:export))", "all_of(automations:read, spaces)");
    let apps_first = "all_of(any_of(apps, apps:export), spaces)";
    let cases = [
        ("the first of equals", one_of, "", "apps spaces", "apps spaces"),
        ("the one that adds least", one_of, "automations", "automations apps:export", "apps:export"),
        ("a scope that is held is named", one_of, "apps", "apps spaces", "spaces"),
        ("a scope held through its parent is named", both, "automations", "automations:read spaces", "spaces"),
        ("the first where both choices are held", apps_first, "apps", "apps spaces", "spaces"),
        ("the one that is held", apps_first, "apps:export", "apps:export spaces", "spaces"),
        ("in the order of the catalogue", "all_of(spaces, apps)", "", "apps spaces", "apps spaces"),
        ("once each", "all_of(apps, any_of(apps, spaces))", "", "apps", "apps"),
        ("the user side", "automations", "apps", "automations", "automations"),
        ("no scope that no token carries", "any_of(api-keys, all_of(apps, spaces))", "", "apps spaces", "apps spaces"),
    ];
    for (name, entry, scope, whole, missing) in cases {
        let expected = format!("insufficient_scope: {whole}, missing {missing}");
        assert_eq!(decided(entry, &Ceilings::default(), &Token::of(scope)), expected, "{name}");
    }
}

#[test]
fn a_challenge_names_only_what_the_ceilings_permit() {
    let few: Listed = &[("few", "apps:read apps:export automations:read"), ("*", "*")];
    let all = ceilings(&catalog(), None, Some(few), &[]);
    let limited = NOBODY.used_by("few");
    let cases = [
        (
            "what is forbidden is no choice",
            "all_of(any_of(apps, apps:export), any_of(automations, automations:read))",
            "insufficient_scope: automations:read apps:export, missing automations:read apps:export",
        ),
        ("every choice is forbidden", "user: any_of(apps, all_of(apps:read, spaces))", "insufficient_scope"),
        ("the user side is forbidden", "user: spaces; admin: apps:read", "insufficient_scope"),
        ("nothing opens an empty list", "any_of()", "insufficient_scope"),
    ];
    for (name, entry, expected) in cases {
        assert_eq!(decided(entry, &all, &limited), expected, "{name}");
    }
}

#[test]
fn a_challenge_names_at_most_a_kibibyte() {
    let name = |place: usize, length: usize| format!("{place:03}{}", "x".repeat(length - 3));
    // Seven names of 127 bytes, a space after each, and a last name that brings the text to `length`.
    for (length, named) in [(1024, true), (1025, false)] {
        let names: Vec<String> = (0..7).map(|place| name(place, 127)).chain([name(7, length - 7 * 128)]).collect();
        let catalog = Catalog::build(names.iter().map(|name| samples::entry(name, &[], None)).collect()).unwrap();
        let entry = written(&catalog, &format!("all_of({})", names.join(", ")));
        let Err(Denial::NoToken { scope }) = verdict(&entry, &catalog, None) else { panic!("no token was asked for") };
        assert_eq!(scope.as_ref().map(String::len), named.then_some(1024));

        let held = Presented { scope: &names[0], roles: vec![], client: PresentedClient::Unnamed, alone: false };
        let standing = Standing::under(&catalog, &Ceilings::default(), 1, None, &held);
        let Err(Denial::InsufficientScope { scope, missing }) = verdict(&entry, &catalog, Some(&standing)) else {
            panic!("one name is not enough")
        };
        assert_eq!((scope.is_some(), missing.is_some()), (named, named));
    }
}

#[test]
fn the_permitted_scopes_are_written_for_the_upstream() {
    let catalog = catalog();
    let all = ceilings(&catalog, Some(ROLES), Some(CLIENTS), &[]);
    let token = Token::of("spaces openid automations apps:export").with_roles(&["Analyst"]);
    let standing = Standing::under(&catalog, &all, 7, None, &token.presented());
    assert_eq!(catalog.text(standing.held()), "automations automations:read apps:export spaces");
    assert_eq!(standing.permitted_text(&catalog), "automations:read apps:export");
    assert_eq!(standing.generation(), 7);
}

/// The ceilings of a policy file with the role `Analyst` and a directory beside it.
fn with_directory(roles: Listed) -> Ceilings {
    Ceilings { directory: true, ..ceilings(&catalog(), Some(roles), None, &["job"]) }
}

/// What is decided under the policy file of these tests, with this directory.
fn decided_with(directory: Option<&DirectoryRoles>, entry: &str, token: &Token) -> String {
    let catalog = catalog();
    let file = with_directory(&[("Analyst", "automations:read")]);
    let standing = Standing::under(&catalog, &file, 1, directory, &token.presented());
    let verdict = verdict(&written(&catalog, entry), &catalog, Some(&standing));
    verdict.map_or_else(|denial| denial.reason().to_string(), |access| access.to_string())
}

#[test]
fn the_directory_is_needed_only_where_it_could_change_something() {
    let text = r#"{"roles": {"Analyst": {"scopes": ["*"]}, "Editor": {"scopes": ["automations", "admin.*"]}}}"#;
    let read = RoleDirectory::read(text.as_bytes()).unwrap();
    let [directory, of_another_table] = [1, 2].map(|table| DirectoryRoles::under(&read, &catalog(), table));
    let view = "automations:read";
    let (token, few) = (Token::of("automations admin.automations"), Token::of("automations"));
    let mixed: &'static [&'static str] = &["Analyst", "Editor"];
    let cases = [
        ("a role of the directory", view, token.with_roles(&["Editor"]), "admin", "roles_unavailable"),
        ("a role that nobody knows", view, token.with_roles(&["Ghost"]), "role_ceiling", "roles_unavailable"),
        ("a role of the file", view, token.with_roles(&["Analyst"]), "user", "user"),
        ("which is not widened", "automations", token.with_roles(&["Analyst"]), "role_ceiling", "role_ceiling"),
        ("user never stands in for admin", view, token.with_roles(mixed), "admin", "roles_unavailable"),
        ("the file permits all that is held", view, few.with_roles(mixed), "user", "user"),
        ("no role", view, token, "role_ceiling", "role_ceiling"),
        ("a client that acts alone", view, token.used_by("job").alone(), "admin", "admin"),
        ("too few scopes", "apps", token.with_roles(&["Editor"]), "insufficient_scope", "insufficient_scope"),
        ("any token will do", "authenticated", token.with_roles(&["Editor"]), "authenticated", "authenticated"),
        ("nothing is asked", "public", token.with_roles(&["Editor"]), "public", "public"),
    ];
    for (name, entry, token, with, without) in cases {
        assert_eq!(decided_with(Some(&directory), entry, &token), with, "{name}: read");
        assert_eq!(decided_with(None, entry, &token), without, "{name}: not available");
        assert_eq!(decided_with(Some(&of_another_table), entry, &token), without, "{name}: of another table");
    }
}

#[test]
fn a_table_without_directory_takes_none() {
    let catalog = catalog();
    let file = ceilings(&catalog, Some(&[]), None, &[]);
    let read = RoleDirectory::read(br#"{"roles": {"Editor": {"scopes": ["*"]}}}"#).unwrap();
    let directory = DirectoryRoles::under(&read, &catalog, 1);
    let token = Token::of("apps").with_roles(&["Editor"]);
    let standing = Standing::under(&catalog, &file, 1, Some(&directory), &token.presented());
    assert_eq!(told(verdict(&written(&catalog, "apps"), &catalog, Some(&standing))), "role_ceiling");
}
