//! Administering by command, beside a server that runs.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{AuthorizationServer, AuthorizationServerSetup};

fn text(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code().expect("it exits"), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn refused(server: &AuthorizationServer, arguments: &[&str], part: &str) {
    let (status, stdout, stderr) = text(&server.command(arguments));
    assert_eq!((status, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(part), "{arguments:?}: {stderr}");
}

/// A token of a client that acts alone; the status if there is none.
fn token(server: &AuthorizationServer, client: &str, secret: &str) -> Result<String, u16> {
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
    let answer = server.ask("POST", "/oauth/token", head, &form);
    answer.json()["access_token"].as_str().map(str::to_owned).ok_or(answer.status)
}

#[test]
fn users_are_added_changed_and_removed() {
    let server = AuthorizationServerSetup::default().start();
    let added = server.administer(&["user", "add", "Nora", "--name", "Nora <b>'; --", "--role", "User"]);
    assert_eq!((&added["user"]["login"], &added["user"]["name"]), (&json!("nora"), &json!("Nora <b>'; --")));
    let first = added["one_time_password"].as_str().unwrap();
    let second = server.administer(&["user", "password", "NORA"])["one_time_password"].clone();
    assert!(second != first && second.as_str().unwrap().len() == 23);
    server.administer(&["role", "add", "Analyst", "--level", "user", "--scope", "apps:read"]);
    let changed = server.administer(&["user", "role", "nora", "--add", "Analyst", "--remove", "User"]);
    assert_eq!(changed["roles"], json!(["Analyst"]));
    let id = changed["id"].as_str().unwrap().to_owned();
    assert_eq!(server.administer(&["user", "change", &id, "--disabled", "true"])["disabled"], true);
    let (status, stdout, _) = text(&server.command(&["user", "list"]));
    assert!(
        status == 0 && stdout.contains("nora") && stdout.contains("disabled") && !stdout.contains("argon2"),
        "{stdout}"
    );
    server.administer(&["user", "remove", "nora"]);
    refused(&server, &["user", "remove", "nora"], "there is no user `nora`");
}

#[test]
fn the_last_administrator_stays() {
    let server = AuthorizationServerSetup::default().start();
    for arguments in [
        &["user", "remove", "admin"][..],
        &["user", "change", "admin", "--disabled", "true"],
        &["user", "role", "admin", "--remove", "TenantAdmin"],
    ] {
        refused(&server, arguments, "the last administrator");
    }
    server.administer(&["user", "add", "boss", "--role", "TenantAdmin"]);
    server.administer(&["user", "remove", "admin"]);
    refused(&server, &["user", "remove", "boss"], "hint: give another user the role `TenantAdmin` first");
}

#[test]
fn roles_keep_to_the_catalogue_and_the_defaults_stay() {
    let server = AuthorizationServerSetup::default().start();
    server.administer(&["role", "add", "Analyst", "--level", "user", "--scope", "apps:read"]);
    let changed =
        server.administer(&["role", "change", "Analyst", "--add-scope", "automations", "--remove-scope", "apps:read"]);
    assert_eq!(changed["scopes"], json!(["automations"]));
    refused(&server, &["role", "add", "Analyst", "--level", "user"], "there already");
    refused(&server, &["role", "add", "X", "--level", "user", "--scope", "admin.automations"], "whole tenant");
    refused(&server, &["role", "add", "X", "--level", "admin", "--scope", "nothing"], "`nothing`");
    refused(&server, &["role", "change", "User", "--add-scope", "automations"], "default role");
    refused(&server, &["role", "remove", "TenantAdmin"], "default role");
    refused(&server, &["user", "add", "x", "--role", "Nobody"], "hint: `scopegate authorization-server role list`");
    server.administer(&["user", "add", "nora", "--role", "Analyst"]);
    server.administer(&["role", "remove", "Analyst"]);
    let users = server.administer(&["user", "list"]);
    assert!(users.as_array().unwrap().iter().all(|user| user["roles"] != json!(["Analyst"])), "{users}");
}

#[test]
fn a_client_gets_its_secret_once_and_acts_at_once() {
    let server = AuthorizationServerSetup::default().start();
    let added = server.administer(&["client", "add", "job", "--name", "Job", "--scope", "admin.users"]);
    let first = added["client_secret"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {}\r\n", token(&server, "job", &first).unwrap());
    assert_eq!(server.ask("GET", "/api/v1/users", &bearer, "").status, 200);
    assert!(!server.administer(&["client", "list"]).to_string().contains(&first));
    let second = server.administer(&["client", "secret", "job"])["client_secret"].as_str().unwrap().to_owned();
    assert_eq!((token(&server, "job", &first), token(&server, "job", &second).is_ok()), (Err(401), true));
    server.administer(&["client", "change", "job", "--add-scope", "apps:read", "--remove-scope", "admin.users"]);
    assert_eq!(server.ask("GET", "/api/v1/users", &bearer, "").status, 401, "what it had is revoked");
    server.administer(&["client", "remove", "job"]);
    assert_eq!(token(&server, "job", &second), Err(401));
}

#[test]
fn clients_are_checked_as_the_api_checks_them() {
    let server = AuthorizationServerSetup::default().start();
    let public = ["client", "add", "app", "--name", "App", "--public", "--scope", "automations"];
    let with = |more: &[&'static str]| [&public[..], more].concat();
    let added = server.administer(&with(&["--redirect-uri", "https://app.example.com/callback"]));
    assert_eq!(
        (&added["client_secret"], &added["client"]["grant_types"]),
        (&Value::Null, &json!(["authorization_code", "refresh_token"]))
    );
    refused(&server, &with(&["--redirect-uri", "https://app.example.com/callback"]), "there already");
    refused(&server, &with(&["--redirect-uri", "http://app.example.com/callback"]), "redirect_uris");
    refused(&server, &with(&[]), "`client_credentials` is not for a public client");
    refused(&server, &["client", "add", "usr_x", "--name", "X"], "`id`");
    refused(&server, &["client", "add", "x", "--name", "X", "--scope", "api-keys"], "for roles alone");
    refused(&server, &["client", "secret", "app"], "a public client has no secret");
    refused(&server, &["approvals", "remove", "--user", "admin", "--client", "app"], "approval is not there");
    let gateway = server.administer(&["client", "add", "gateway", "--name", "Gateway", "--introspects"]);
    assert_eq!((&gateway["client"]["introspects"], &gateway["client"]["grant_types"]), (&json!(true), &json!([])));
}

#[test]
fn of_changes_at_the_same_time_none_is_lost() {
    let server = AuthorizationServerSetup::default().start();
    server.administer(&["client", "add", "job", "--name", "Job"]);
    server.administer(&["role", "add", "Analyst", "--level", "user"]);
    server.administer(&["role", "add", "Writer", "--level", "user"]);
    server.administer(&["user", "add", "nora"]);
    let scopes = ["automations", "apps:read", "user_default"];
    std::thread::scope(|threads| {
        let server = &server;
        let change = |arguments: Vec<&'static str>| drop(threads.spawn(move || server.administer(&arguments)));
        for scope in scopes {
            change(vec!["client", "change", "job", "--add-scope", scope]);
            change(vec!["role", "change", "Analyst", "--add-scope", scope]);
        }
        for role in ["Analyst", "User", "Writer"] {
            change(vec!["user", "role", "nora", "--add", role]);
        }
    });
    let changed = |list: &[&str], key: &str, name: &str, member: &str| {
        let list = server.administer(list);
        let found = list.as_array().unwrap().iter().find(|entry| entry[key] == name).unwrap();
        found[member].as_array().unwrap().len()
    };
    assert_eq!(changed(&["client", "list"], "id", "job", "allow_list"), 3);
    assert_eq!(changed(&["role", "list"], "name", "Analyst", "scopes"), 3);
    assert_eq!(changed(&["user", "list"], "login", "nora", "roles"), 3);
}

#[test]
fn a_leaked_key_leaves_the_published_set_of_a_server_that_runs() {
    let server = AuthorizationServerSetup::default().start();
    let published = || server.ask("GET", "/.well-known/jwks.json", "", "").json()["keys"].clone();
    let leaked = published()[0]["kid"].as_str().unwrap().to_owned();
    let added = server.administer(&["client", "add", "job", "--name", "Job", "--scope", "admin.users"]);
    let token = token(&server, "job", added["client_secret"].as_str().unwrap()).unwrap();
    let users = || server.ask("GET", "/api/v1/users", &format!("Authorization: Bearer {token}\r\n"), "").status;
    assert_eq!(users(), 200);
    let withdrawn = server.administer(&["key", "withdraw", &leaked]);
    assert_eq!(withdrawn["kid"], *leaked);
    let keys = published();
    assert_eq!((keys.as_array().unwrap().len(), &keys[0]["kid"]), (1, &withdrawn["follows"]["kid"]));
    assert_eq!(users(), 401, "what it signed");
    refused(&server, &["key", "withdraw", &leaked], "this signing key is not there");
    refused(&server, &["key", "withdraw", "-one-that-begins-like-an-option"], "this signing key is not there");
}

#[test]
fn a_database_that_is_not_there_is_not_made_by_a_command() {
    let folder = AuthorizationServerSetup::default().write();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .args(["authorization-server", "user", "list", "--config"])
        .arg(folder.path().join("authorization-server.yaml"))
        .output()
        .unwrap();
    let (status, _, stderr) = text(&output);
    assert!(status == 2 && stderr.contains("is not there") && stderr.contains("hint:"), "{stderr}");
    assert!(!folder.path().join("database.sqlite").exists());
}

#[test]
fn every_command_shows_an_example() {
    let command = scopegate::cli::command();
    let server = command.find_subcommand("authorization-server").expect("it is there");
    let mut open: Vec<_> = vec![server];
    let mut leaves = 0;
    while let Some(command) = open.pop() {
        open.extend(command.get_subcommands());
        if command.get_subcommands().next().is_none() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                help.contains("Example") && help.contains("scopegate authorization-server"),
                "{}",
                command.get_name()
            );
            leaves += 1;
        }
    }
    assert!(leaves >= 18, "{leaves}");
}
