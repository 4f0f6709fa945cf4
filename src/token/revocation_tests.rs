//! What entries of a revocation feed name, and what is no answer of one.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::ISSUER;
use super::{MOST_REVOCATIONS, NameDigest, PageFault, RevocationEntry, RevocationPage, Revocations, VerifiedToken};

const NOW: Duration = Duration::from_secs(1_000);
const EXP: u64 = 2_000;

fn token(jti: Option<&str>, subject: Option<&str>, client: Option<&str>, iat: Option<f64>) -> VerifiedToken {
    VerifiedToken {
        issuer: ISSUER.into(),
        subject: subject.map(Into::into),
        client: client.map(Into::into),
        scope: "".into(),
        roles: Box::default(),
        exp: Duration::from_secs(EXP),
        nbf: None,
        iat: iat.map(Duration::from_secs_f64),
        jti: jti.map(|id| NameDigest::of(&[id])),
        client_only: false,
    }
}

fn read(entries: &[Value]) -> Result<RevocationPage, PageFault> {
    RevocationPage::read(json!({"entries": entries, "cursor": "c", "more": false}).to_string().as_bytes(), ISSUER)
}

/// An entry with the issuer and `exp` of these tests.
fn entry(members: &Value) -> Value {
    let mut entry = json!({"iss": ISSUER, "exp": EXP});
    entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    entry
}

fn entries(members: &[Value]) -> Vec<RevocationEntry> {
    read(&members.iter().map(entry).collect::<Vec<_>>()).unwrap().entries
}

fn revoked(members: &[Value]) -> Revocations {
    Revocations::default().with(&entries(members), NOW, Duration::ZERO).unwrap()
}

#[test]
fn each_form_names_the_tokens_that_it_describes_and_no_other() {
    let id = json!({"jti": "a"});
    let subject = json!({"sub": "u", "issued_before": 500});
    let client = json!({"client_id": "c", "issued_before": 500});
    let pair = json!({"sub": "u", "client_id": "c", "issued_before": 500});
    let (of, whose) = (token, |subject, client| token(Some("b"), Some(subject), Some(client), Some(500.0)));
    for (name, entry, token, expected) in [
        ("this jti, however young", &id, of(Some("a"), Some("u"), Some("c"), Some(1_500.0)), true),
        ("this jti without iat", &id, of(Some("a"), Some("u"), Some("c"), None), true),
        ("another jti", &id, of(Some("b"), Some("u"), Some("c"), Some(1.0)), false),
        ("no jti", &id, of(None, Some("a"), Some("a"), Some(1.0)), false),
        ("the subject", &subject, whose("u", "x"), true),
        ("the subject without client", &subject, of(None, Some("u"), None, Some(500.0)), true),
        ("another subject", &subject, whose("x", "u"), false),
        ("no subject", &subject, of(None, None, Some("u"), Some(500.0)), false),
        ("the client", &client, whose("x", "c"), true),
        ("the client without subject", &client, of(None, None, Some("c"), Some(500.0)), true),
        ("another client", &client, whose("c", "x"), false),
        ("the pair", &pair, whose("u", "c"), true),
        ("the pair's subject alone", &pair, whose("u", "x"), false),
        ("the pair's client alone", &pair, whose("x", "c"), false),
        ("the pair crossed", &pair, whose("c", "u"), false),
        ("issued before", &pair, of(None, Some("u"), Some("c"), Some(499.0)), true),
        ("issued in the same second", &pair, of(None, Some("u"), Some("c"), Some(500.999)), true),
        ("issued after", &pair, of(None, Some("u"), Some("c"), Some(501.0)), false),
        ("issued nobody knows when", &pair, of(None, Some("u"), Some("c"), None), true),
    ] {
        assert_eq!(revoked(std::slice::from_ref(entry)).name(&token), expected, "{name}");
    }
}

#[test]
fn repeated_entries_count_once_and_the_widest_counts() {
    let before = |before: u64, exp: u64| json!({"sub": "u", "issued_before": before, "exp": exp});
    for order in [[before(500, 1_500), before(600, 1_600)], [before(600, 1_600), before(500, 1_500)]] {
        let all = revoked(&order);
        assert_eq!(all.len(), 1);
        for (iat, expected) in [(500.0, true), (600.0, true), (601.0, false)] {
            assert_eq!(all.name(&token(None, Some("u"), None, Some(iat))), expected, "{iat}");
        }
    }
    assert_eq!(revoked(&[json!({"jti": "a"}), json!({"jti": "a"}), json!({"jti": "b"})]).len(), 2);
}

#[test]
fn an_entry_goes_once_no_token_that_it_names_can_be_in_use() {
    let all = [json!({"jti": "a"}), json!({"sub": "u", "issued_before": 500})];
    let leeway = Duration::from_secs(5);
    for (now, kept) in [(EXP - 1, 2), (EXP, 2), (EXP + 5, 2), (EXP + 6, 0)] {
        let now = Duration::from_secs(now);
        assert_eq!(revoked(&all).with(&[], now, leeway).unwrap().len(), kept, "what there was, at {now:?}");
        assert_eq!(
            Revocations::default().with(&entries(&all), now, leeway).unwrap().len(),
            kept,
            "what comes, at {now:?}"
        );
    }
}

#[test]
fn the_number_of_entries_is_bounded() {
    let id = |number: usize| RevocationEntry {
        named: super::revocation_page::Named::Id(NameDigest::of(&[&number.to_string()])),
        exp: EXP,
    };
    let most: Vec<_> = (0..MOST_REVOCATIONS).map(id).collect();
    let full = Revocations::default().with(&most, NOW, Duration::ZERO).unwrap();
    assert_eq!(full.len(), MOST_REVOCATIONS);
    assert_eq!(
        full.with(&most, NOW, Duration::ZERO).as_ref().map(Revocations::len),
        Some(MOST_REVOCATIONS),
        "known ones"
    );
    assert_eq!(full.with(&[id(MOST_REVOCATIONS)], NOW, Duration::ZERO), None);
    let later = Duration::from_secs(EXP + 1);
    let fresh = RevocationEntry { exp: EXP + 9, ..id(MOST_REVOCATIONS) };
    assert_eq!(
        full.with(&[fresh], later, Duration::ZERO).as_ref().map(Revocations::len),
        Some(1),
        "room is made first"
    );
}

#[test]
fn an_answer_is_read_whole_or_not_at_all() {
    let page = |text: &str| {
        let read = RevocationPage::read(text.as_bytes(), ISSUER);
        read.map(|page| (page.entries.len(), page.cursor, page.more))
    };
    for (text, expected) in [
        (r#"{"entries": [], "cursor": "", "more": false}"#, Ok((0, String::new(), false))),
        (r#"{"entries": [], "cursor": "x y", "more": true, "other": [1]} "#, Ok((0, "x y".into(), true))),
        ("", Err(PageFault::NotAnObject)),
        ("[]", Err(PageFault::NotAnObject)),
        (r#"{"entries": [], "cursor": "", "more": false"#, Err(PageFault::NotAnObject)),
        (r#"{"entries": [], "cursor": "", "cursor": "", "more": false}"#, Err(PageFault::NotAnObject)),
        (r#"{"cursor": "", "more": false}"#, Err(PageFault::Entries)),
        (r#"{"entries": {}, "cursor": "", "more": false}"#, Err(PageFault::Entries)),
        (r#"{"entries": [], "more": false}"#, Err(PageFault::Cursor)),
        (r#"{"entries": [], "cursor": 7, "more": false}"#, Err(PageFault::Cursor)),
        (r#"{"entries": [], "cursor": ""}"#, Err(PageFault::More)),
        (r#"{"entries": [], "cursor": "", "more": "false"}"#, Err(PageFault::More)),
        (r#"{"entries": [{"iss": "a", "iss": "a"}], "cursor": "", "more": false}"#, Err(PageFault::NotAnObject)),
    ] {
        assert_eq!(page(text), expected, "{text}");
    }
    let cursor = |length: usize| page(&json!({"entries": [], "cursor": "x".repeat(length), "more": false}).to_string());
    assert!(cursor(1024).is_ok());
    assert_eq!(cursor(1025), Err(PageFault::Cursor));
}

#[test]
fn an_entry_of_neither_form_spoils_the_answer() {
    let good = entry(&json!({"jti": "a"}));
    for members in [
        json!({}),
        json!({"issued_before": 500}),
        json!({"jti": 7}),
        json!({"jti": null}),
        json!({"jti": "a", "sub": "u"}),
        json!({"jti": "a", "issued_before": 500}),
        json!({"sub": "u"}),
        json!({"sub": null, "client_id": "c", "issued_before": 500}),
        json!({"sub": "u", "client_id": ["c"], "issued_before": 500}),
        json!({"sub": "u", "issued_before": "500"}),
        json!({"sub": "u", "issued_before": 500.5}),
        json!({"sub": "u", "issued_before": -1}),
        json!({"sub": "u", "issued_before": 9_007_199_254_740_992_u64}),
        json!({"jti": "a", "exp": null}),
        json!({"jti": "a", "exp": "2000"}),
        json!({"jti": "a", "iss": 7}),
    ] {
        assert_eq!(read(&[good.clone(), entry(&members)]), Err(PageFault::Entry(1)), "{members}");
    }
    assert_eq!(read(&[good.clone(), json!([])]), Err(PageFault::Entry(1)));
    assert_eq!(read(&[json!({"jti": "a", "exp": EXP})]), Err(PageFault::Entry(0)), "no issuer");
    assert_eq!(read(&[json!({"iss": ISSUER, "jti": "a"})]), Err(PageFault::Entry(0)), "no end");
    assert_eq!(read(&[entry(&json!({"jti": "a", "other": {}}))]).unwrap().entries.len(), 1);
}

#[test]
fn entries_of_another_issuer_are_left_out_and_counted() {
    let page = read(&[entry(&json!({"jti": "a"})), json!({"iss": "https://other.test", "anything": 1})]).unwrap();
    assert_eq!((page.entries.len(), page.strangers), (1, 1));
}

/// An entry in the plainest form: `jti`, `sub`, `client_id` and `issued_before`.
type Plain = (Option<u8>, Option<u8>, Option<u8>, u64);

fn plain_entries() -> impl Strategy<Value = Vec<Plain>> {
    let named = prop_oneof![
        (0..3u8).prop_map(|id| (Some(id), None, None)),
        (0..3u8).prop_map(|subject| (None, Some(subject), None)),
        (0..3u8).prop_map(|client| (None, None, Some(client))),
        (0..3u8, 0..3u8).prop_map(|(subject, client)| (None, Some(subject), Some(client))),
    ];
    prop::collection::vec(
        (named, 0..5u64).prop_map(|((id, subject, client), before)| (id, subject, client, before)),
        0..6,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// The contract, word for word, against the maps; and the same however the entries are spread over answers.
    #[test]
    fn a_token_is_named_exactly_if_an_entry_names_it(
        listed in plain_entries(), cut in 0..6usize, id in prop::option::of(0..4u8), subject in prop::option::of(0..4u8),
        client in prop::option::of(0..4u8), iat in prop::option::of(0..6u64)
    ) {
        let names = |(named_id, named_subject, named_client, before): &Plain| match named_id {
            Some(named) => id == Some(*named),
            None => {
                named_subject.is_none_or(|named| subject == Some(named))
                    && named_client.is_none_or(|named| client == Some(named))
                    && iat.is_none_or(|iat| iat <= *before)
            }
        };
        let text = |number: &u8| number.to_string();
        let members: Vec<Value> = listed.iter().map(|(id, subject, client, before)| match id {
            Some(id) => json!({"jti": text(id)}),
            None => {
                let mut members = json!({"issued_before": before});
                let pairs = [("sub", subject), ("client_id", client)];
                pairs.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?))).for_each(|(name, value)| {
                    members[name] = json!(text(value));
                });
                members
            }
        }).collect();
        let texts = [id, subject, client].map(|number| number.map(|number| text(&number)));
        let [id_text, subject_text, client_text] = &texts;
        let token = token(id_text.as_deref(), subject_text.as_deref(), client_text.as_deref(), iat.map(|iat| iat as f64));
        let all = entries(&members);
        let (first, second) = all.split_at(cut.min(all.len()));
        let at_once = Revocations::default().with(&all, NOW, Duration::ZERO).unwrap();
        let in_two = Revocations::default().with(second, NOW, Duration::ZERO).unwrap().with(first, NOW, Duration::ZERO).unwrap();
        prop_assert_eq!(at_once.name(&token), listed.iter().any(names));
        prop_assert_eq!(&in_two, &at_once);
        prop_assert_eq!(&at_once.with(&all, NOW, Duration::ZERO).unwrap(), &at_once);
    }

    #[test]
    fn any_text_is_answered(text in any::<Vec<u8>>(), cursor in ".*") {
        let _ = RevocationPage::read(&text, ISSUER);
        let page = json!({"entries": [], "cursor": cursor, "more": true}).to_string();
        prop_assert_eq!(RevocationPage::read(page.as_bytes(), ISSUER).is_ok(), cursor.len() <= 1024);
    }
}
