//! Texts come back as they were kept, whatever is in them.

use super::samples::*;
use super::*;

/// What a careless query or a careless list would trip over. PostgreSQL takes no NUL in a text; SQLite does.
const HOSTILE: &[&str] = &[
    "'; DROP TABLE users; --",
    "\" OR \"\"=\"",
    "a\0b",
    "\0",
    "$1 ?1 :name @name %s {}",
    "\\ \\' \n\r\t",
    "[\"a\",\"b\"]",
    "two words",
    "Ünïcödé 😀 \u{202e}",
    " spaces at both ends ",
    "%_*",
    "NULL",
    "123",
    "1e5",
];

fn scopes() -> ScopeNames {
    HOSTILE.iter().copied().collect()
}

fn resources() -> Vec<String> {
    HOSTILE.iter().rev().map(|text| (*text).to_owned()).collect()
}

/// Keeps a role, a user and a client that are called `text`.
async fn people(store: &Store, text: &str) -> (User, Client) {
    let mut change = store.change().await.unwrap();
    change.add_role(&Role { scopes: scopes(), ..role(text, "") }).await.unwrap();
    let login = format!("login {}", text.to_lowercase());
    let user = NewUser {
        name: text.to_owned(),
        password: password(text),
        ..new_user(&format!("usr_{text}"), &login, &[text])
    };
    let user = change.add_user(&user, NOW).await.unwrap();
    let client = NewClient {
        name: text.to_owned(),
        redirect_uris: texts(HOSTILE),
        allow_list: scopes(),
        ..new_client(&format!("client {text}"))
    };
    let client = change.add_client(&client, NOW).await.unwrap();
    change.approve(&user.id, &client.id, &scopes(), NOW).await.unwrap();
    change.add_session(text, &user.id, NOW, NOW + 1).await.unwrap();
    change.commit().await.unwrap();

    assert_eq!((&*user.name, &*user.login, &user.roles), (text, &*login, &texts(&[text])));
    assert_eq!((&*client.name, &client.redirect_uris, &client.allow_list), (text, &texts(HOSTILE), &scopes()));
    (user, client)
}

async fn find_people(store: &Store, text: &str, user: &User, client: &Client) {
    let found = (store.user(&user.id).await.unwrap(), store.client(&client.id).await.unwrap());
    assert_eq!(found, (Some(user.clone()), Some(client.clone())));
    assert_eq!(store.role(text).await.unwrap(), Some(Role { scopes: scopes(), ..role(text, "") }));
    assert_eq!(store.user_by_login(&user.login).await.unwrap(), Some((user.clone(), password(text))));
    assert_eq!(store.session(text, NOW).await.unwrap().unwrap().user, *user);
    assert_eq!(store.approved(&user.id, &client.id).await.unwrap(), scopes());
}

/// Keeps tokens and a key that are called `text`, and finds them again.
async fn grants(store: &Store, text: &str, user: &str, client: &str) {
    let refresh = RefreshToken { scope: scopes(), resources: resources(), ..refresh_token(text, text, user, client) };
    let access = AccessToken { scope: scopes(), ..access_token(text, Some(text), user, client) };
    let mut change = store.change().await.unwrap();
    change.add_refresh_token(&refresh).await.unwrap();
    change.add_access_token(&access).await.unwrap();
    change.add_signing_key(&SigningKey { kid: text.to_owned(), pkcs8: vec![0], signs_from: NOW }).await.unwrap();
    change.commit().await.unwrap();
    let found = (store.refresh_token(text, NOW).await.unwrap(), store.access_token(text, NOW).await.unwrap());
    assert_eq!(found, (Some(refresh), Some(access)));
    assert!(store.signing_keys().await.unwrap().iter().any(|key| key.kid == text));
}

/// Keeps a code that is called `text`, and redeems it.
async fn redeem(store: &Store, text: &str, user: &str, client: &str) {
    let code = Code {
        redirect_uri: text.to_owned(),
        code_challenge: text.to_owned(),
        nonce: Some(text.to_owned()),
        requested: scopes(),
        resources: resources(),
        ..code(text, user, client)
    };
    let mut change = store.change().await.unwrap();
    change.add_code(&code).await.unwrap();
    assert_eq!(change.redeem_code(text, NOW, |_| true).await.unwrap(), CodeUse::Redeemed(Box::new(code)));
    change.commit().await.unwrap();
}

#[tokio::test]
async fn hostile_texts_come_back_unchanged() {
    let sample = empty().await;
    for (number, text) in HOSTILE.iter().enumerate() {
        let (user, client) = people(&sample.store, text).await;
        grants(&sample.store, text, &user.id, &client.id).await;
        redeem(&sample.store, text, &user.id, &client.id).await;
        find_people(&sample.store, text, &user, &client).await;
        assert_eq!(sample.store.users("", 100).await.unwrap().len(), number + 1);
        assert_eq!(sample.store.clients("", 100).await.unwrap().len(), number + 1);
    }
}

#[tokio::test]
async fn hostile_texts_stand_in_the_feed_as_they_are() {
    let sample = empty().await;
    let mut expected = Vec::new();
    for text in HOSTILE {
        let (user, client) = people(&sample.store, text).await;
        grants(&sample.store, text, &user.id, &client.id).await;
        let mut change = sample.store.change().await.unwrap();
        change.revoke_family(text, NOW).await.unwrap();
        assert!(change.remove_approval(&user.id, &client.id, None, NOW).await.unwrap());
        assert_eq!(change.revoked_until(&user.id, &client.id).await.unwrap(), Some(NOW));
        change.commit().await.unwrap();
        expected.extend([token_entry(text), issued_before_now(Some(&user.id), Some(&client.id))]);
    }
    assert_eq!(sample.feed().await, expected);
}
