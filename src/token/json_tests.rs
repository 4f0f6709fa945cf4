use std::borrow::Cow;

use proptest::prelude::*;

use super::json::{Json, Repeats};

#[test]
fn rfc_7519_section_7_2_only_an_object_that_is_the_whole_text() {
    for (name, text, expected) in [
        ("empty object", "{}", true),
        ("white space around", " \t\r\n{\"a\": [1, {\"b\": null}]}\n", true),
        ("nothing", "", false),
        ("array", "[]", false),
        ("null", "null", false),
        ("string", "\"x\"", false),
        ("number", "1", false),
        ("cut off", "{\"a\":1", false),
        ("followed by an object", "{}{}", false),
        ("followed by a NUL", "{}\0", false),
        ("byte order mark", "\u{feff}{}", false),
        ("trailing comma", "{\"a\":1,}", false),
        ("comment", "{/**/}", false),
        ("single quotes", "{'a':1}", false),
        ("name without quotes", "{a:1}", false),
        ("control byte in a string", "{\"a\":\"\n\"}", false),
        ("lone high surrogate", r#"{"a":"\ud800"}"#, false),
        ("lone low surrogate", r#"{"a":"\udc00"}"#, false),
        ("lone surrogate in a name", r#"{"\ud800":1}"#, false),
        ("lone surrogate deep inside", r#"{"a":[{"b":["\ud83dx"]}]}"#, false),
        ("surrogate pair", r#"{"a":"\ud83d\ude00"}"#, true),
        ("leading zero", "{\"a\":01}", false),
        ("plus sign", "{\"a\":+1}", false),
        ("NaN", "{\"a\":NaN}", false),
        ("beyond a double", "{\"a\":1e400}", false),
    ] {
        assert_eq!(Json::read_object(text.as_bytes()).is_some(), expected, "{name}");
    }
    assert!(Json::read_object(b"{\"a\":\"\xff\"}").is_none());
}

#[test]
fn rfc_7519_section_4_a_member_twice_is_refused_at_any_depth_and_in_any_spelling() {
    let many: String = (0..40).map(|n| format!("\"m{n}\":{n},")).collect();
    for (name, text, expected) in [
        ("top level", r#"{"a":1,"b":2,"a":1}"#.to_owned(), false),
        ("nested", r#"{"a":{"b":{"c":1,"c":2}}}"#.to_owned(), false),
        ("in an array", r#"{"a":[1,{"c":1,"c":1}]}"#.to_owned(), false),
        ("escaped", r#"{"a":1,"\u0061":2}"#.to_owned(), false),
        ("same name in two objects", r#"{"a":{"a":1},"b":{"a":1}}"#.to_owned(), true),
        ("other case", r#"{"a":1,"A":1}"#.to_owned(), true),
        ("among many", format!("{{{many}\"m7\":1}}"), false),
        ("many and none twice", format!("{{{many}\"z\":1}}"), true),
    ] {
        assert_eq!(Json::read_object(text.as_bytes()).is_some(), expected, "{name}");
    }
}

#[test]
fn depth_ends_in_a_refusal() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(Json::read(nested(100).as_bytes(), Repeats::Refuse).is_some());
        for levels in [128, 1_500, 200_000] {
            assert!(Json::read(nested(levels).as_bytes(), Repeats::Refuse).is_none(), "{levels}");
            assert!(Json::read(open.repeat(levels).as_bytes(), Repeats::Refuse).is_none(), "{levels}");
        }
    }
}

#[test]
fn marking_repeats_keeps_the_text_readable() {
    let value = Json::read(br#"{"keys":[{"a":1,"a":2},{"a":1}]}"#, Repeats::Mark).unwrap();
    let keys = value.as_object().unwrap().get("keys").unwrap().as_array().unwrap();
    assert!(!value.as_object().unwrap().repeated());
    assert_eq!(keys.iter().map(Json::has_repeats).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn plain_strings_are_borrowed() {
    let value = Json::read(br#"{"name":"value"}"#, Repeats::Refuse).unwrap();
    let (name, text) = &value.as_object().unwrap().members[0];
    assert!(matches!((name, text), (Cow::Borrowed("name"), Json::Text(Cow::Borrowed("value")))));
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1.0e9..1.0e9).prop_map(|number: f64| number.into()),
        "\\PC{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("\\PC{0,4}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_value_is_read_as_it_is(value in arbitrary_json()) {
        let text = value.to_string();
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let read = Json::read(text.as_bytes(), Repeats::Refuse);
        prop_assert!(read.is_some_and(|read| read.equals(&expected)));
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Json::read(&bytes, Repeats::Refuse);
    }

    #[test]
    fn what_is_accepted_is_json(text in r#"[\[\]{}:,"a\\u0d81 e.-]{0,16}"#) {
        if Json::read(text.as_bytes(), Repeats::Mark).is_some() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}

#[test]
fn many_small_objects_take_no_more_room_than_they_need() {
    let text = format!("[{}]", vec!["{}"; 1_000].join(","));
    let value = Json::read(text.as_bytes(), Repeats::Refuse).unwrap();
    let rooms = value.as_array().unwrap().iter().map(|object| object.as_object().unwrap().members.capacity());
    assert_eq!(rooms.sum::<usize>(), 0);
}
