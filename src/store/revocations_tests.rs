//! The feed, and what is purged.

use super::samples::*;
use super::*;

async fn withdraw_pair(store: &Store, user: &str, client: &str, now: Seconds) {
    let mut change = store.change().await.unwrap();
    change.approve(user, client, &ScopeNames::parse("automations"), now).await.unwrap();
    assert!(change.remove_approval(user, client, None, now).await.unwrap());
    change.commit().await.unwrap();
}

async fn withdraw_token(store: &Store, jti: &str) {
    let mut change = store.change().await.unwrap();
    change.add_access_token(&access_token(jti, None, JOB, JOB)).await.unwrap();
    assert!(change.revoke_access_token(jti, JOB, NOW).await.unwrap());
    change.commit().await.unwrap();
}

#[tokio::test]
async fn the_feed_is_read_by_pages_in_the_order_of_writing() {
    let sample = filled().await;
    let page = sample.store.feed(0, 10, NOW).await.unwrap();
    assert_eq!(page, FeedPage { entries: vec![], last: 0, more: false });
    for jti in ["a", "b", "c"] {
        withdraw_token(&sample.store, jti).await;
    }
    let page = sample.store.feed(0, 2, NOW).await.unwrap();
    assert_eq!(page, FeedPage { entries: vec![token_entry("a"), token_entry("b")], last: 2, more: true });
    let page = sample.store.feed(page.last, 2, NOW).await.unwrap();
    assert_eq!(page, FeedPage { entries: vec![token_entry("c")], last: 3, more: false });
    let page = sample.store.feed(page.last, 2, NOW).await.unwrap();
    assert_eq!(page, FeedPage { entries: vec![], last: 3, more: false });
    assert!(!sample.store.feed(0, 3, NOW).await.unwrap().more);
    assert_eq!(sample.store.feed(0, 0, NOW).await.unwrap().entries.len(), 1, "a page of nothing would never end");
}

#[tokio::test]
async fn a_number_that_was_never_given_is_the_beginning() {
    let sample = filled().await;
    withdraw_token(&sample.store, "a").await;
    let page = sample.store.feed(900, 2, NOW).await.unwrap();
    assert_eq!(page, FeedPage { entries: vec![token_entry("a")], last: 1, more: false });
    assert_eq!(sample.store.feed(-1, 2, NOW).await.unwrap(), page);
}

#[tokio::test]
async fn entries_end_and_their_numbers_are_not_used_again() {
    let sample = filled().await;
    withdraw_token(&sample.store, "a").await;
    assert_eq!(sample.store.feed(0, 9, NOW + LIFETIME - 1).await.unwrap().entries.len(), 1);
    let ended = FeedPage { entries: vec![], last: 1, more: false };
    assert_eq!(sample.store.feed(0, 9, NOW + LIFETIME).await.unwrap(), ended);
    sample.store.purge(NOW + LIFETIME).await.unwrap();
    withdraw_token(&sample.store, "b").await;
    let page = sample.store.feed(1, 9, NOW).await.unwrap();
    assert_eq!(page, FeedPage { entries: vec![token_entry("b")], last: 2, more: false });
}

#[tokio::test]
async fn a_later_entry_of_the_same_names_takes_the_place_of_the_earlier_and_is_new_to_readers() {
    let sample = filled().await;
    withdraw_pair(&sample.store, ANN, APP, NOW).await;
    let seen = sample.store.feed(0, 9, NOW).await.unwrap().last;
    withdraw_pair(&sample.store, ANN, APP, NOW + 7).await;
    let newer = [FeedEntry::IssuedBefore {
        subject: Some(ANN.to_owned()),
        client: Some(APP.to_owned()),
        issued_before: NOW + 7,
        exp: NOW + 7 + LIFETIME,
    }];
    assert_eq!(sample.store.feed(seen, 9, NOW).await.unwrap().entries, newer);
    assert_eq!(sample.feed().await, newer);
    // A clock that was put back does not take back what was said.
    withdraw_pair(&sample.store, ANN, APP, NOW - 50).await;
    assert_eq!(sample.feed().await, newer);
    withdraw_pair(&sample.store, ANN, JOB, NOW).await;
    let [newer] = newer;
    assert_eq!(sample.feed().await, [newer, issued_before_now(Some(ANN), Some(JOB))]);
}

#[tokio::test]
async fn an_entry_lasts_as_long_as_the_tokens_of_a_time_when_they_lived_longer() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    let old = AccessToken { expires_at: NOW + 9 * LIFETIME, ..access_token("a", None, ANN, APP) };
    change.add_access_token(&old).await.unwrap();
    change.remove_client(APP, NOW).await.unwrap();
    change.commit().await.unwrap();
    let FeedEntry::IssuedBefore { exp, .. } = sample.feed().await.remove(0) else { panic!("a client was removed") };
    assert_eq!(exp, old.expires_at);
}

#[tokio::test]
async fn an_entry_reaches_a_token_that_was_issued_while_its_change_waited() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    let later = AccessToken { issued_at: NOW + 2, ..access_token("a", None, ANN, APP) };
    change.add_access_token(&later).await.unwrap();
    change.add_access_token(&access_token("b", None, BOB, APP)).await.unwrap();
    let roles = UserChange { roles: Some(texts(&[])), ..UserChange::default() };
    change.change_user(ANN, &roles, NOW).await.unwrap();
    change.commit().await.unwrap();
    let reaches = |entries: Vec<FeedEntry>| match &*entries {
        [FeedEntry::IssuedBefore { issued_before, .. }] => *issued_before,
        other => panic!("one entry was written: {other:?}"),
    };
    assert_eq!(reaches(sample.feed().await), NOW + 2);
    let mut change = sample.store.change().await.unwrap();
    assert_eq!(change.revoked_until(ANN, APP).await.unwrap(), Some(NOW + 2), "nothing is signed before it is past");
}

#[tokio::test]
async fn revoked_until_is_the_latest_entry_that_names_the_two() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    assert_eq!(change.revoked_until(ANN, APP).await.unwrap(), None);
    drop(change);
    withdraw_token(&sample.store, "a").await;
    withdraw_pair(&sample.store, ANN, APP, NOW + 1).await;
    let mut change = sample.store.change().await.unwrap();
    change.remove_user(BOB, NOW + 2).await.unwrap();
    change.remove_client(JOB, NOW + 3).await.unwrap();
    change.commit().await.unwrap();
    let mut change = sample.store.change().await.unwrap();
    let cases = [
        (ANN, APP, Some(1)),
        (BOB, APP, Some(2)),
        (ANN, JOB, Some(3)),
        (BOB, JOB, Some(3)),
        (JOB, JOB, Some(3)),
        (APP, APP, None),
        ("usr_other", APP, None),
        (ANN, "other", None),
    ];
    for (subject, client, expected) in cases {
        let until = change.revoked_until(subject, client).await.unwrap();
        assert_eq!(until, expected.map(|after| NOW + after), "{subject} {client}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_reader_misses_no_entry_while_others_write() {
    const EACH: usize = 40;
    let sample = filled().await;
    let another = sample.another().await;
    let mut writers = Vec::new();
    for (name, store) in [("x", sample.store.clone()), ("y", sample.store.clone()), ("z", another)] {
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                withdraw_token(&store, &format!("{name}{number}")).await;
            }
        }));
    }
    let (mut seen, mut last) = (Vec::new(), 0);
    loop {
        let written = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let page = sample.store.feed(last, 3, NOW).await.unwrap();
        assert!(page.last >= last);
        (last, seen) = (page.last, [seen, page.entries].concat());
        if written && !page.more {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, sample.feed().await, "each once, in the order of writing");
    assert_eq!((seen.len(), last), (3 * EACH, 3 * EACH as i64));
}

#[tokio::test]
async fn purge_takes_what_has_ended_and_leaves_the_rest() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for (name, end) in [("ended", NOW + 10), ("stands", NOW + 11)] {
        let code = Code { expires_at: end, ..code(name, ANN, APP) };
        change.add_code(&code).await.unwrap();
        let refresh = RefreshToken { expires_at: end, ..refresh_token(name, name, ANN, APP) };
        change.add_refresh_token(&refresh).await.unwrap();
        change.add_access_token(&AccessToken { expires_at: end, ..access_token(name, None, JOB, JOB) }).await.unwrap();
        change.add_session(name, ANN, NOW, end).await.unwrap();
    }
    change.commit().await.unwrap();
    sample.store.purge(NOW + 10).await.unwrap();
    for (name, stands) in [("ended", false), ("stands", true)] {
        assert_eq!(sample.store.refresh_token(name, NOW).await.unwrap().is_some(), stands);
        assert_eq!(sample.store.access_token(name, NOW).await.unwrap().is_some(), stands);
        assert_eq!(sample.store.session(name, NOW).await.unwrap().is_some(), stands);
        let mut change = sample.store.change().await.unwrap();
        let redeemed = change.redeem_code(name, NOW, |_| true).await.unwrap();
        assert_eq!(matches!(redeemed, CodeUse::Redeemed(_)), stands);
    }
    assert_eq!(sample.store.users("", 9).await.unwrap().len(), 2);
    assert_eq!(sample.store.clients("", 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_redeemed_code_is_purged_with_the_last_token_of_its_grant() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    change.add_code(&code("c", ANN, APP)).await.unwrap();
    let CodeUse::Redeemed(code) = change.redeem_code("c", NOW, |_| true).await.unwrap() else { panic!("it is new") };
    change.add_access_token(&access_token("a", Some(&code.family), ANN, APP)).await.unwrap();
    change.commit().await.unwrap();
    for (after, expected) in [(LIFETIME - 1, CodeUse::Replayed), (LIFETIME, CodeUse::Unknown)] {
        sample.store.purge(NOW + after).await.unwrap();
        let mut change = sample.store.change().await.unwrap();
        assert_eq!(change.redeem_code("c", NOW + after, |_| true).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_signing_key_is_published_until_the_next_has_signed_for_the_longest_lifetime() {
    let sample = filled().await;
    let key = |kid: &str, signs_from| SigningKey { kid: kid.to_owned(), pkcs8: vec![0, 255, 7], signs_from };
    let keys = [key("old", NOW - 1000), key("now", NOW), key("next", NOW + 1000)];
    let mut change = sample.store.change().await.unwrap();
    for key in &keys {
        change.add_signing_key(key).await.unwrap();
    }
    assert!(matches!(change.add_signing_key(&keys[0]).await, Err(StoreFault::Exists("signing key"))));
    change.commit().await.unwrap();
    for (now, left) in [
        (NOW, &keys[..]),
        (NOW + LIFETIME - 1, &keys[..]),
        (NOW + LIFETIME, &keys[1..]),
        (NOW + 1000 + LIFETIME - 1, &keys[1..]),
        (NOW + 1000 + LIFETIME, &keys[2..]),
        (NOW + 1_000_000, &keys[2..]),
    ] {
        sample.store.purge(now).await.unwrap();
        assert_eq!(sample.store.signing_keys().await.unwrap(), left, "{}", now - NOW);
    }
}

#[tokio::test]
async fn a_signing_key_outlives_a_token_of_a_time_when_they_lived_longer() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for (kid, signs_from) in [("old", NOW - 1000), ("now", NOW + 1)] {
        let key = SigningKey { kid: kid.to_owned(), pkcs8: vec![1], signs_from };
        change.add_signing_key(&key).await.unwrap();
    }
    let long = AccessToken { expires_at: NOW + 9 * LIFETIME, ..access_token("a", None, JOB, JOB) };
    change.add_access_token(&long).await.unwrap();
    change.commit().await.unwrap();
    for (now, left) in [(NOW + 9 * LIFETIME - 1, 2), (NOW + 9 * LIFETIME, 1)] {
        sample.store.purge(now).await.unwrap();
        assert_eq!(sample.store.signing_keys().await.unwrap().len(), left);
    }
}
