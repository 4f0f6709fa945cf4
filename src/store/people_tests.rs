//! Users, roles, clients, sessions and keys.

use super::samples::*;
use super::*;

/// A user and a client that hold a session, a refresh token, an access token and a code for each other.
async fn busy() -> Sample {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    change.approve(ANN, APP, &ScopeNames::parse("automations offline_access"), NOW).await.unwrap();
    change.add_code(&code("c", ANN, APP)).await.unwrap();
    change.add_refresh_token(&refresh_token("r", "f", ANN, APP)).await.unwrap();
    change.add_access_token(&access_token("a", Some("f"), ANN, APP)).await.unwrap();
    change.add_access_token(&access_token("a bob", None, BOB, JOB)).await.unwrap();
    change.add_session("s", ANN, NOW, NOW + 100).await.unwrap();
    change.commit().await.unwrap();
    sample
}

/// Whether session, refresh token, access token and code still stand.
async fn stands(sample: &Sample) -> [bool; 4] {
    let mut change = sample.store.change().await.unwrap();
    let code = change.redeem_code("c", NOW, |_| true).await.unwrap();
    assert!(sample.store.access_token("a bob", NOW).await.unwrap().is_some(), "it is nobody's affair");
    [
        sample.store.session("s", NOW).await.unwrap().is_some(),
        sample.store.refresh_token("r", NOW).await.unwrap().is_some(),
        sample.store.access_token("a", NOW).await.unwrap().is_some(),
        matches!(code, CodeUse::Redeemed(_)),
    ]
}

async fn change_user(sample: &Sample, id: &str, user: UserChange) -> User {
    let mut change = sample.store.change().await.unwrap();
    let user = change.change_user(id, &user, NOW).await.unwrap();
    change.commit().await.unwrap();
    user
}

async fn change_client(sample: &Sample, client: ClientChange) -> Client {
    let mut change = sample.store.change().await.unwrap();
    let client = change.change_client(APP, &client, NOW).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(sample.store.client(APP).await.unwrap().as_ref(), Some(&client));
    client
}

async fn refresh_scope(sample: &Sample) -> Option<String> {
    sample.store.refresh_token("r", NOW).await.unwrap().map(|token| token.scope.to_string())
}

#[tokio::test]
async fn a_login_is_one_in_any_letter_case() {
    let sample = empty().await;
    let mut change = sample.store.change().await.unwrap();
    let user = change.add_user(&new_user("usr_1", "JÜRGEN@Example.COM", &[]), NOW).await.unwrap();
    assert_eq!(user.login, "jürgen@example.com");
    let taken = change.add_user(&new_user("usr_2", "Jürgen@example.com", &[]), NOW).await;
    assert!(matches!(taken, Err(StoreFault::Exists("login"))));
    change.commit().await.unwrap();
    for login in ["jürgen@example.com", "JÜRGEN@EXAMPLE.COM", "jürGEN@example.com"] {
        assert!(sample.store.user_by_login(login).await.unwrap().is_some(), "{login}");
    }
    assert!(sample.store.user_by_login("jurgen@example.com").await.unwrap().is_none());
}

#[tokio::test]
async fn users_and_clients_share_no_identifier() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for id in [ANN, "usr_", "usr_free", APP] {
        assert!(matches!(change.add_client(&new_client(id), NOW).await, Err(StoreFault::Exists("identifier"))), "{id}");
    }
    for id in [ANN, "free", APP, ""] {
        let taken = change.add_user(&new_user(id, "free", &[]), NOW).await;
        assert!(matches!(taken, Err(StoreFault::Exists("identifier"))), "{id}");
    }
}

#[tokio::test]
async fn users_and_clients_are_listed_in_order_by_pages() {
    let sample = filled().await;
    let users = sample.store.users("", 10).await.unwrap();
    assert_eq!(users.iter().map(|user| &*user.id).collect::<Vec<_>>(), [ANN, BOB]);
    assert_eq!(users[1].roles, texts(&["Analyst", "Writer"]));
    assert_eq!(sample.store.users("", 1).await.unwrap(), users[..1]);
    assert_eq!(sample.store.users(ANN, 1).await.unwrap(), users[1..]);
    assert_eq!(sample.store.users(BOB, 1).await.unwrap(), []);
    let clients = sample.store.clients("", 10).await.unwrap();
    assert_eq!(clients.iter().map(|client| &*client.id).collect::<Vec<_>>(), [APP, JOB]);
    assert_eq!(sample.store.clients(APP, 1).await.unwrap(), clients[1..]);
}

#[tokio::test]
async fn a_role_that_is_not_there_can_be_given_to_nobody() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    let fault = change.add_user(&new_user("usr_new", "new", &["Nosuch"]), NOW).await;
    assert!(matches!(fault, Err(StoreFault::Missing("role"))));
    let roles = UserChange { roles: Some(texts(&["Nosuch"])), ..UserChange::default() };
    assert!(matches!(change.change_user(ANN, &roles, NOW).await, Err(StoreFault::Missing("role"))));
}

#[tokio::test]
async fn a_role_more_revokes_nothing_and_a_role_less_does() {
    let sample = busy().await;
    let more = UserChange { roles: Some(texts(&["Analyst", "Writer"])), ..UserChange::default() };
    assert_eq!(change_user(&sample, ANN, more).await.roles, texts(&["Analyst", "Writer"]));
    assert_eq!((sample.feed().await, stands(&sample).await), (vec![], [true; 4]));
    let less = UserChange { roles: Some(texts(&["Writer"])), ..UserChange::default() };
    assert_eq!(change_user(&sample, ANN, less).await.roles, texts(&["Writer"]));
    assert_eq!(sample.feed().await, [issued_before_now(Some(ANN), None)]);
    assert_eq!(stands(&sample).await, [true, true, false, true], "only `roles` in access tokens is outdated");
}

#[tokio::test]
async fn a_disabled_user_loses_everything_but_what_was_approved() {
    let sample = busy().await;
    let renamed = UserChange { name: Some("Ann".to_owned()), disabled: Some(false), roles: None };
    assert_eq!(change_user(&sample, ANN, renamed).await.name, "Ann");
    assert_eq!((sample.feed().await, stands(&sample).await), (vec![], [true; 4]));
    let disabled = UserChange { disabled: Some(true), ..UserChange::default() };
    assert!(change_user(&sample, ANN, disabled).await.disabled);
    assert_eq!(sample.feed().await, [issued_before_now(Some(ANN), None)]);
    assert_eq!(stands(&sample).await, [false; 4]);
    let enabled = UserChange { disabled: Some(false), ..UserChange::default() };
    change_user(&sample, ANN, enabled).await;
    assert_eq!(stands(&sample).await, [false; 4]);
    assert_eq!(sample.store.approved(ANN, APP).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_removed_user_leaves_nothing_behind() {
    let sample = busy().await;
    let mut change = sample.store.change().await.unwrap();
    change.remove_user(ANN, NOW).await.unwrap();
    assert!(matches!(change.remove_user(ANN, NOW).await, Err(StoreFault::Missing("user"))));
    change.commit().await.unwrap();
    assert_eq!(stands(&sample).await, [false; 4]);
    assert_eq!(sample.feed().await, [issued_before_now(Some(ANN), None)]);
    let mut change = sample.store.change().await.unwrap();
    change.add_user(&new_user(ANN, "ann", &[]), NOW).await.unwrap();
    assert_eq!(change.approved(ANN, APP).await.unwrap(), ScopeNames::default());
}

#[tokio::test]
async fn a_removed_client_leaves_nothing_behind_but_the_users_session() {
    let sample = busy().await;
    let mut change = sample.store.change().await.unwrap();
    change.remove_client(APP, NOW).await.unwrap();
    assert!(matches!(change.remove_client(APP, NOW).await, Err(StoreFault::Missing("client"))));
    change.commit().await.unwrap();
    assert_eq!(stands(&sample).await, [true, false, false, false]);
    assert_eq!(sample.feed().await, [issued_before_now(None, Some(APP))]);
    assert_eq!(sample.store.approved(ANN, APP).await.unwrap(), ScopeNames::default());
}

#[tokio::test]
async fn a_changed_client_is_what_was_asked_for_and_revokes_only_where_it_loses() {
    let sample = busy().await;
    let wider = ClientChange {
        name: Some("New".to_owned()),
        redirect_uris: Some(texts(&["https://app.example.com/callback", "https://b.example.com/"])),
        grant_types: Some(GrantType::ALL.into_iter().collect()),
        allow_list: Some(ScopeNames::parse("apps apps:read automations offline_access")),
        trusted: Some(true),
        introspects: Some(true),
    };
    let client = change_client(&sample, wider.clone()).await;
    assert_eq!((Some(client.name), Some(client.redirect_uris)), (wider.name, wider.redirect_uris));
    assert_eq!((Some(client.grant_types), Some(client.allow_list)), (wider.grant_types, wider.allow_list));
    assert!(client.trusted && client.introspects);
    assert_eq!((sample.feed().await, stands(&sample).await), (vec![], [true; 4]));
}

#[tokio::test]
async fn a_narrower_allow_list_narrows_the_refresh_tokens() {
    let sample = busy().await;
    let allow_list = Some(ScopeNames::parse("apps:read offline_access more"));
    change_client(&sample, ClientChange { allow_list, ..ClientChange::default() }).await;
    assert_eq!(refresh_scope(&sample).await.as_deref(), Some("apps:read offline_access"));
    assert_eq!(sample.feed().await, [issued_before_now(None, Some(APP))]);
    assert_eq!(stands(&sample).await, [true, true, false, true]);
    let allow_list = Some(ScopeNames::parse("apps:read"));
    change_client(&sample, ClientChange { allow_list, ..ClientChange::default() }).await;
    assert_eq!(refresh_scope(&sample).await, None);
}

#[tokio::test]
async fn trust_that_is_taken_away_leaves_what_the_user_approved() {
    let sample = busy().await;
    change_client(&sample, ClientChange { trusted: Some(true), ..ClientChange::default() }).await;
    assert_eq!(sample.feed().await, []);
    change_client(&sample, ClientChange { trusted: Some(false), ..ClientChange::default() }).await;
    assert_eq!(refresh_scope(&sample).await.as_deref(), Some("automations offline_access"));
    assert_eq!(sample.feed().await, [issued_before_now(None, Some(APP))]);
}

#[tokio::test]
async fn a_grant_type_that_is_taken_away_ends_what_came_of_it() {
    use GrantType::{AuthorizationCode, ClientCredentials, RefreshToken};
    let revoked = vec![issued_before_now(None, Some(APP))];
    for (left, feed, standing) in [
        ([AuthorizationCode, ClientCredentials], vec![], [true, false, true, true]),
        ([AuthorizationCode, RefreshToken], revoked.clone(), [true, true, false, true]),
        ([ClientCredentials, RefreshToken], revoked, [true, true, false, false]),
    ] {
        let sample = busy().await;
        let grant_types = Some(left.into_iter().collect());
        change_client(&sample, ClientChange { grant_types, ..ClientChange::default() }).await;
        assert_eq!((sample.feed().await, stands(&sample).await), (feed, standing), "{left:?}");
    }
}

#[tokio::test]
async fn a_redirect_uri_that_is_taken_away_ends_the_codes() {
    let sample = busy().await;
    let redirect_uris = Some(texts(&["https://b.example.com/"]));
    change_client(&sample, ClientChange { redirect_uris, ..ClientChange::default() }).await;
    assert_eq!(stands(&sample).await, [true, true, true, false]);
    assert_eq!(sample.feed().await, []);
}

#[tokio::test]
async fn a_secret_is_replaced_or_taken_away() {
    let sample = filled().await;
    for secret in [Some(ClientSecret([0xff; 32])), None, Some(ClientSecret([0; 32]))] {
        let mut change = sample.store.change().await.unwrap();
        change.set_client_secret(APP, secret).await.unwrap();
        assert!(matches!(change.set_client_secret("no", secret).await, Err(StoreFault::Missing("client"))));
        change.commit().await.unwrap();
        assert!(sample.store.client(APP).await.unwrap().unwrap().secret == secret);
    }
}

#[tokio::test]
async fn default_roles_follow_the_product_and_are_nobodys_to_change() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    let product = |name: &str, scopes: &str| Role { is_default: true, level: Level::Admin, ..role(name, scopes) };
    change.set_default_roles(&[product("TenantAdmin", "a b"), product("Writer", "b")]).await.unwrap();
    assert!(matches!(change.change_role(&role("Writer", "a")).await, Err(StoreFault::DefaultRole)));
    assert!(matches!(change.remove_role("Writer", NOW).await, Err(StoreFault::DefaultRole)));
    assert!(matches!(change.add_role(&role("Writer", "a")).await, Err(StoreFault::Exists("role"))));
    change.set_default_roles(&[product("TenantAdmin", "b")]).await.unwrap();
    change.commit().await.unwrap();
    let writer = Role { is_default: false, ..product("Writer", "b") };
    let expected = [role("Analyst", "automations:read"), product("TenantAdmin", "b"), writer];
    assert_eq!(sample.store.roles().await.unwrap(), expected);
    assert_eq!(sample.feed().await, []);
}

#[tokio::test]
async fn a_custom_role_can_be_changed_without_and_removed_with_revoking() {
    let sample = busy().await;
    let mut change = sample.store.change().await.unwrap();
    change.change_role(&Role { level: Level::Admin, ..role("Analyst", "apps") }).await.unwrap();
    assert!(matches!(change.change_role(&role("Nosuch", "")).await, Err(StoreFault::Missing("role"))));
    assert!(matches!(change.remove_role("Nosuch", NOW).await, Err(StoreFault::Missing("role"))));
    change.commit().await.unwrap();
    let analyst = Role { level: Level::Admin, ..role("Analyst", "apps") };
    assert_eq!(sample.store.role("Analyst").await.unwrap(), Some(analyst));
    assert_eq!(sample.feed().await, []);

    let mut change = sample.store.change().await.unwrap();
    change.remove_role("Analyst", NOW).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(sample.feed().await, [issued_before_now(Some(ANN), None), issued_before_now(Some(BOB), None)]);
    assert_eq!(sample.store.user(BOB).await.unwrap().unwrap().roles, texts(&["Writer"]));
    assert_eq!(sample.store.access_token("a bob", NOW).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_ends_by_time_by_hand_and_by_a_new_password() {
    let sample = busy().await;
    let session = sample.store.session("s", NOW + 99).await.unwrap().unwrap();
    assert_eq!((session.user.id.as_str(), session.must_change_password), (ANN, false));
    assert_eq!((session.authenticated_at, session.expires_at), (NOW, NOW + 100));
    assert_eq!(sample.store.session("s", NOW + 100).await.unwrap(), None);

    let mut change = sample.store.change().await.unwrap();
    change.add_session("other", ANN, NOW, NOW + 100).await.unwrap();
    change.add_session("bob", BOB, NOW, NOW + 100).await.unwrap();
    let one_time = Password { hash: "new".to_owned(), one_time: true };
    change.set_password(ANN, &one_time, Some("s")).await.unwrap();
    assert!(matches!(change.set_password("usr_no", &one_time, None).await, Err(StoreFault::Missing("user"))));
    change.commit().await.unwrap();
    assert!(sample.store.session("s", NOW).await.unwrap().unwrap().must_change_password);
    assert_eq!(sample.store.session("other", NOW).await.unwrap(), None);
    assert_eq!(sample.store.user_by_login("ann").await.unwrap().unwrap().1, one_time);

    let mut change = sample.store.change().await.unwrap();
    change.set_password(ANN, &password("newer"), None).await.unwrap();
    change.end_session("bob").await.unwrap();
    change.end_session("nosuch").await.unwrap();
    change.commit().await.unwrap();
    for hash in ["s", "bob"] {
        assert_eq!(sample.store.session(hash, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn of_a_users_sessions_the_oldest_ends_for_the_101st() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for number in 0..101 {
        change.add_session(&format!("s{number}"), ANN, NOW + number, NOW + 1000).await.unwrap();
    }
    change.commit().await.unwrap();
    for (hash, stands) in [("s0", false), ("s1", true), ("s100", true)] {
        assert_eq!(sample.store.session(hash, NOW + 200).await.unwrap().is_some(), stands, "{hash}");
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    let sample = busy().await;
    let key = SigningKey { kid: "k".to_owned(), pkcs8: vec![42; 4], signs_from: NOW };
    let client = sample.store.client(APP).await.unwrap().unwrap();
    let shown = format!("{key:?} {client:?} {:?} {:?}", password("hidden"), sample.store);
    for secret in ["42", "7, 7", "hidden"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
