//! What an approval gives, and what its removal takes.

use super::samples::*;
use super::*;

/// Ann approves everything for `app`, which holds a refresh token and an access token of hers and waits for a code.
async fn approved() -> Sample {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    change.approve(ANN, APP, &ScopeNames::parse("apps:read automations offline_access"), NOW).await.unwrap();
    for (user, client) in [(ANN, APP), (ANN, JOB), (BOB, APP)] {
        let (hash, jti, waits) =
            (format!("r {user} {client}"), format!("a {user} {client}"), format!("c {user} {client}"));
        change.add_refresh_token(&refresh_token(&hash, &hash, user, client)).await.unwrap();
        change.add_access_token(&access_token(&jti, Some(&hash), user, client)).await.unwrap();
        change.add_code(&code(&waits, user, client)).await.unwrap();
    }
    change.commit().await.unwrap();
    sample
}

async fn remove(sample: &Sample, scope: Option<&str>) -> bool {
    let mut change = sample.store.change().await.unwrap();
    let removed = change.remove_approval(ANN, APP, scope, NOW).await.unwrap();
    change.commit().await.unwrap();
    removed
}

/// The refresh token's scope, whether introspection finds the access token, and whether the code can be redeemed.
async fn held(sample: &Sample, user: &str, client: &str) -> (Option<String>, bool, bool) {
    let refresh = sample.store.refresh_token(&format!("r {user} {client}"), NOW).await.unwrap();
    let access = sample.store.access_token(&format!("a {user} {client}"), NOW).await.unwrap();
    let mut change = sample.store.change().await.unwrap();
    let used = change.redeem_code(&format!("c {user} {client}"), NOW, |_| true).await.unwrap();
    (refresh.map(|token| token.scope.to_string()), access.is_some(), matches!(used, CodeUse::Redeemed(_)))
}

fn all() -> (Option<String>, bool, bool) {
    (Some("apps:read automations offline_access".to_owned()), true, true)
}

#[tokio::test]
async fn an_approval_that_stands_keeps_its_age() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    change.approve(ANN, APP, &ScopeNames::parse("automations"), NOW).await.unwrap();
    change.approve(ANN, APP, &ScopeNames::parse("automations apps:read"), NOW + 9).await.unwrap();
    assert_eq!(change.approved(ANN, APP).await.unwrap(), ScopeNames::parse("apps:read automations"));
    change.commit().await.unwrap();
    assert_eq!(sample.store.approved(ANN, APP).await.unwrap(), ScopeNames::parse("apps:read automations"));
    assert_eq!(sample.store.approved(BOB, APP).await.unwrap(), ScopeNames::default());
    let listed = sample.store.approvals(ApprovalFilter::default(), ("", "", ""), 10).await.unwrap();
    let ages: Vec<_> = listed.iter().map(|approval| (&*approval.scope, approval.approved_at)).collect();
    assert_eq!(ages, [("apps:read", NOW + 9), ("automations", NOW)]);
}

#[tokio::test]
async fn a_removed_scope_leaves_the_refresh_token_and_ends_what_else_the_pair_holds() {
    let sample = approved().await;
    assert!(remove(&sample, Some("automations")).await);
    assert_eq!(sample.store.approved(ANN, APP).await.unwrap(), ScopeNames::parse("apps:read offline_access"));
    assert_eq!(held(&sample, ANN, APP).await, (Some("apps:read offline_access".to_owned()), false, false));
    assert_eq!(held(&sample, ANN, JOB).await, all());
    assert_eq!(held(&sample, BOB, APP).await, all());
    assert_eq!(sample.feed().await, [issued_before_now(Some(ANN), Some(APP))]);
}

#[tokio::test]
async fn without_offline_access_the_refresh_token_ends() {
    let sample = approved().await;
    assert!(remove(&sample, Some("offline_access")).await);
    assert_eq!(held(&sample, ANN, APP).await, (None, false, false));
}

#[tokio::test]
async fn all_of_a_pair_goes_at_once_and_only_of_this_pair() {
    let sample = approved().await;
    assert!(remove(&sample, None).await);
    assert_eq!(sample.store.approved(ANN, APP).await.unwrap(), ScopeNames::default());
    assert_eq!(held(&sample, ANN, APP).await, (None, false, false));
    assert_eq!(held(&sample, ANN, JOB).await, all());
    assert_eq!(held(&sample, BOB, APP).await, all());
    assert_eq!(sample.feed().await, [issued_before_now(Some(ANN), Some(APP))]);
}

#[tokio::test]
async fn removing_what_is_not_there_changes_nothing() {
    let sample = approved().await;
    assert!(!remove(&sample, Some("nosuch")).await);
    assert_eq!(held(&sample, ANN, APP).await, all());
    assert_eq!(sample.feed().await, []);
    assert!(remove(&sample, None).await);
    assert!(!remove(&sample, None).await);
    assert_eq!(sample.feed().await.len(), 1);
}

#[tokio::test]
async fn what_a_trusted_client_holds_without_approval_can_be_taken_too() {
    let sample = approved().await;
    let mut change = sample.store.change().await.unwrap();
    assert!(!change.remove_approval(BOB, APP, Some("automations"), NOW).await.unwrap());
    assert!(change.remove_approval(BOB, APP, None, NOW).await.unwrap());
    change.commit().await.unwrap();
    assert_eq!(held(&sample, BOB, APP).await, (None, false, false));
}

#[tokio::test]
async fn approvals_are_listed_in_order_by_pages_of_any_size() {
    let sample = filled().await;
    let mut change = sample.store.change().await.unwrap();
    for (user, client, scopes) in [(BOB, APP, "b a"), (ANN, JOB, "c"), (ANN, APP, "b a"), (BOB, JOB, "a")] {
        change.approve(user, client, &ScopeNames::parse(scopes), NOW).await.unwrap();
    }
    change.commit().await.unwrap();
    let all = ["ann app a", "ann app b", "ann job c", "bob app a", "bob app b", "bob job a"];
    let cases = [
        (None, None, ""),
        (Some(ANN), None, "ann "),
        (None, Some(APP), " app "),
        (Some(BOB), Some(JOB), "bob job "),
        (Some("usr_nobody"), None, "nobody"),
    ];
    for (user, client, part) in cases {
        for limit in 1..8 {
            let mut found: Vec<Approval> = Vec::new();
            loop {
                let last = found.last().cloned();
                let after = last.as_ref().map_or(("", "", ""), |last| (&last.user, &last.client, &last.scope));
                let page = sample.store.approvals(ApprovalFilter { user, client }, after, limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            let lines: Vec<String> = found
                .iter()
                .map(|line| format!("{} {} {}", line.user.trim_start_matches("usr_"), line.client, line.scope))
                .collect();
            let expected: Vec<&str> = all.iter().copied().filter(|line| line.contains(part)).collect();
            assert_eq!(lines, expected, "{user:?} {client:?} {limit}");
        }
    }
}
