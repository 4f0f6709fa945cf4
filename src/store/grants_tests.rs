//! Codes, refresh tokens and access tokens: each once.

use super::samples::*;
use super::*;

async fn keep_code(store: &Store, hash: &str) {
    let mut change = store.change().await.unwrap();
    change.add_code(&code(hash, ANN, APP)).await.unwrap();
    change.commit().await.unwrap();
}

async fn redeem(store: &Store, hash: &str, now: Seconds, proven: bool) -> CodeUse {
    let mut change = store.change().await.unwrap();
    let redeemed = change.redeem_code(hash, now, |_| proven).await.unwrap();
    change.commit().await.unwrap();
    redeemed
}

/// Redeems a code and keeps what comes of it: the refresh token `r1` and the access token `a1`.
async fn redeem_with_tokens(store: &Store, hash: &str) {
    let mut change = store.change().await.unwrap();
    let CodeUse::Redeemed(code) = change.redeem_code(hash, NOW, |_| true).await.unwrap() else {
        panic!("the code is new")
    };
    change.add_refresh_token(&refresh_token("r1", &code.family, ANN, APP)).await.unwrap();
    change.add_access_token(&access_token("a1", Some(&code.family), ANN, APP)).await.unwrap();
    change.commit().await.unwrap();
}

async fn use_refresh(store: &Store, hash: &str, client: &str, now: Seconds) -> RefreshUse {
    let mut change = store.change().await.unwrap();
    let used = change.use_refresh_token(hash, client, now).await.unwrap();
    change.commit().await.unwrap();
    used
}

#[tokio::test]
async fn a_code_comes_back_as_it_was_kept_and_once() {
    let sample = filled().await;
    keep_code(&sample.store, "c1").await;
    let mut change = sample.store.change().await.unwrap();
    let seen = change.redeem_code("c1", NOW + 59, |found| *found == code("c1", ANN, APP)).await.unwrap();
    assert_eq!(seen, CodeUse::Redeemed(Box::new(code("c1", ANN, APP))));
    change.commit().await.unwrap();
    assert_eq!(redeem(&sample.store, "c1", NOW + 59, true).await, CodeUse::Replayed);
    assert_eq!(redeem(&sample.store, "c2", NOW, true).await, CodeUse::Unknown);
}

#[tokio::test]
async fn an_expired_code_is_unknown_and_an_unproven_one_stays() {
    let sample = filled().await;
    keep_code(&sample.store, "c1").await;
    assert_eq!(redeem(&sample.store, "c1", NOW + 60, true).await, CodeUse::Unknown);
    assert_eq!(redeem(&sample.store, "c1", NOW, false).await, CodeUse::NotProven);
    assert_eq!(redeem(&sample.store, "c1", NOW, true).await, CodeUse::Redeemed(Box::new(code("c1", ANN, APP))));
}

#[tokio::test]
async fn rfc_6749_4_1_2_a_replayed_code_ends_what_was_issued_even_when_it_would_have_expired() {
    let sample = filled().await;
    keep_code(&sample.store, "c1").await;
    redeem_with_tokens(&sample.store, "c1").await;

    assert_eq!(redeem(&sample.store, "c1", NOW + 1, false).await, CodeUse::NotProven);
    assert!(sample.store.access_token("a1", NOW).await.unwrap().is_some(), "who proves nothing ends nothing");
    assert_eq!(sample.feed().await, []);

    sample.store.purge(NOW + 61).await.unwrap();
    assert_eq!(redeem(&sample.store, "c1", NOW + 61, true).await, CodeUse::Replayed);
    assert_eq!(sample.store.access_token("a1", NOW).await.unwrap(), None);
    assert_eq!(sample.store.refresh_token("r1", NOW).await.unwrap(), None);
    assert_eq!(use_refresh(&sample.store, "r1", APP, NOW).await, RefreshUse::Unknown);
    assert_eq!(sample.feed().await, [token_entry("a1")]);
}

#[tokio::test]
async fn of_two_that_redeem_one_code_at_once_one_wins() {
    let sample = filled().await;
    let another = sample.another().await;
    for round in 0..20 {
        let hash = format!("c{round}");
        keep_code(&sample.store, &hash).await;
        let (one, two) = tokio::join!(redeem(&sample.store, &hash, NOW, true), redeem(&another, &hash, NOW, true));
        let won = Box::new(code(&hash, ANN, APP));
        let expected = [CodeUse::Redeemed(won), CodeUse::Replayed];
        assert!([one.clone(), two.clone()] == expected || [two, one] == expected);
    }
}

#[tokio::test]
async fn of_two_that_use_one_refresh_token_at_once_one_wins_and_the_grant_ends() {
    let sample = filled().await;
    let another = sample.another().await;
    for round in 0..20 {
        let token = refresh_token(&format!("r{round}"), &format!("f{round}"), ANN, APP);
        let mut change = sample.store.change().await.unwrap();
        change.add_refresh_token(&token).await.unwrap();
        change.commit().await.unwrap();
        let (one, two) = tokio::join!(
            use_refresh(&sample.store, &token.hash, APP, NOW),
            use_refresh(&another, &token.hash, APP, NOW)
        );
        let expected = [RefreshUse::Used(token), RefreshUse::Replayed];
        assert!([one.clone(), two.clone()] == expected || [two, one] == expected);
    }
}

#[tokio::test]
async fn rfc_9700_4_14_2_a_second_use_ends_the_family() {
    let sample = filled().await;
    keep_code(&sample.store, "c1").await;
    redeem_with_tokens(&sample.store, "c1").await;
    let mut change = sample.store.change().await.unwrap();
    let RefreshUse::Used(first) = change.use_refresh_token("r1", APP, NOW).await.unwrap() else { panic!("it is new") };
    assert_eq!(first, refresh_token("r1", "family of c1", ANN, APP));
    change.add_refresh_token(&refresh_token("r2", &first.family, ANN, APP)).await.unwrap();
    change.add_access_token(&access_token("a2", Some(&first.family), ANN, APP)).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(sample.store.refresh_token("r1", NOW).await.unwrap(), None, "used is not active");
    assert!(sample.store.refresh_token("r2", NOW).await.unwrap().is_some());

    sample.store.purge(NOW + 1).await.unwrap();
    assert_eq!(use_refresh(&sample.store, "r1", APP, NOW).await, RefreshUse::Replayed);
    assert_eq!(use_refresh(&sample.store, "r2", APP, NOW).await, RefreshUse::Unknown);
    for jti in ["a1", "a2"] {
        assert_eq!(sample.store.access_token(jti, NOW).await.unwrap(), None);
    }
    assert_eq!(sample.feed().await, [token_entry("a1"), token_entry("a2")]);
}

#[tokio::test]
async fn a_refresh_token_of_another_client_or_past_its_time_is_unknown_and_harms_nobody() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    change.add_refresh_token(&refresh_token("r1", "f", ANN, APP)).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(use_refresh(&sample.store, "r1", JOB, NOW).await, RefreshUse::Unknown);
    assert_eq!(use_refresh(&sample.store, "r1", APP, NOW + 3600).await, RefreshUse::Unknown);
    let mut change = sample.store.change().await.unwrap();
    assert!(!change.revoke_refresh_token("r1", JOB, NOW).await.unwrap());
    change.commit().await.unwrap();
    assert_eq!(sample.store.refresh_token("r1", NOW + 3600).await.unwrap(), None);
    assert!(matches!(use_refresh(&sample.store, "r1", APP, NOW + 3599).await, RefreshUse::Used(_)));
}

#[tokio::test]
async fn rfc_7009_2_1_revoking_a_refresh_token_ends_its_grant_and_no_other() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for (hash, jti, family) in [("r1", "a1", "f1"), ("r2", "a2", "f2")] {
        change.add_refresh_token(&refresh_token(hash, family, ANN, APP)).await.unwrap();
        change.add_access_token(&access_token(jti, Some(family), ANN, APP)).await.unwrap();
    }
    assert!(change.revoke_refresh_token("r1", APP, NOW).await.unwrap());
    assert!(!change.revoke_refresh_token("r1", APP, NOW).await.unwrap());
    change.commit().await.unwrap();
    assert_eq!(sample.store.access_token("a1", NOW).await.unwrap(), None);
    assert!(sample.store.access_token("a2", NOW).await.unwrap().is_some());
    assert!(sample.store.refresh_token("r2", NOW).await.unwrap().is_some());
    assert_eq!(sample.feed().await, [token_entry("a1")]);
}

#[tokio::test]
async fn rfc_7009_2_1_an_access_token_is_revoked_by_its_client_alone() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    change.add_access_token(&access_token("a1", None, JOB, JOB)).await.unwrap();
    assert!(!change.revoke_access_token("a1", APP, NOW).await.unwrap());
    assert!(!change.revoke_access_token("a1", JOB, NOW + LIFETIME).await.unwrap(), "it has ended");
    change.commit().await.unwrap();
    let kept = sample.store.access_token("a1", NOW + LIFETIME - 1).await.unwrap();
    assert_eq!(kept, Some(access_token("a1", None, JOB, JOB)));
    assert_eq!(sample.store.access_token("a1", NOW + LIFETIME).await.unwrap(), None);

    let mut change = sample.store.change().await.unwrap();
    assert!(change.revoke_access_token("a1", JOB, NOW).await.unwrap());
    change.commit().await.unwrap();
    assert_eq!(sample.store.access_token("a1", NOW).await.unwrap(), None);
    assert_eq!(sample.feed().await, [token_entry("a1")]);
}

#[tokio::test]
async fn nothing_is_kept_for_a_user_or_client_that_is_not_there() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for (user, client, kind) in [("usr_nobody", APP, "user"), (ANN, "nothing", "client")] {
        let faults = [
            change.add_code(&code("c", user, client)).await,
            change.add_refresh_token(&refresh_token("r", "f", user, client)).await,
            change.approve(user, client, &ScopeNames::parse("automations"), NOW).await,
        ];
        for fault in faults {
            assert!(matches!(fault, Err(StoreFault::Missing(missing)) if missing == kind));
        }
    }
    let fault = change.add_access_token(&access_token("a", None, "nothing", "nothing")).await;
    assert!(matches!(fault, Err(StoreFault::Missing("client"))));
}
