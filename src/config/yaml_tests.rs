use proptest::prelude::*;

use super::faults::Faults;
use super::node::{Node, Value};
use super::source::{FileId, Sources};
use super::yaml::{parse, root_keys};

/// The tree in one line: `{a: [b, 'c']}` with quotes where a text is not plain, `~` for nothing.
fn show(node: &Node<'_>) -> String {
    match &node.value {
        Value::Null | Value::Unreadable => "~".to_owned(),
        Value::Text { text, plain: true } => text.to_string(),
        Value::Text { text, plain: false } => format!("'{text}'"),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let shown = entries.iter().map(|entry| format!("{}: {}", entry.key, show(&entry.value)));
            format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The tree, or the messages with line and column.
fn read(text: &str) -> (Option<String>, Vec<String>) {
    let (faults, mut sources) = (Faults::default(), Sources::default());
    let file = sources.add("x.yaml".into(), text.to_owned()).unwrap();
    let tree = parse(text, file, &faults).map(|node| show(&node));
    let diagnostics = faults.into_diagnostics(&sources);
    let messages = diagnostics.into_iter().map(|diagnostic| match diagnostic.location {
        Some(place) => format!("{}:{} {}", place.line, place.column, diagnostic.message),
        None => diagnostic.message,
    });
    (tree, messages.collect())
}

#[test]
fn scalars_stay_the_text_that_was_written() {
    let cases = [
        ("a: on", "{a: on}"),
        ("a: no", "{a: no}"),
        ("a: 1.0", "{a: 1.0}"),
        ("a: 0x1F", "{a: 0x1F}"),
        ("a: 'on'", "{a: 'on'}"),
        ("a: \"null\"", "{a: 'null'}"),
        ("a: null", "{a: ~}"),
        ("a: ~", "{a: ~}"),
        ("a:", "{a: ~}"),
        ("a: ''", "{a: ''}"),
        ("a: automations:read", "{a: automations:read}"),
        ("a: [b:c, d]", "{a: [b:c, d]}"),
        ("{\"a\": {\"b\": [1, true, null]}}", "{a: {b: [1, true, ~]}}"),
        ("a: >-\n  x\n  y\n", "{a: 'x y'}"),
        ("\u{feff}a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"),
        ("a: &x [1, 2]\nb: *x\n", "{a: [1, 2], b: [1, 2]}"),
        ("- 1\n- - 2\n  - 3\n", "[1, [2, 3]]"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), (Some(expected.to_owned()), vec![]), "{text:?}");
    }
}

#[test]
fn a_key_is_never_there_twice_however_many_there_are() {
    let (tree, messages) = read("a: 1\nb: 2\na: 3\nb: 4\na: 5\n");
    assert_eq!(tree.unwrap(), "{a: 1, b: 2}");
    assert_eq!(
        messages,
        ["3:1 key `a` is written twice", "4:1 key `b` is written twice", "5:1 key `a` is written twice"]
    );
    let many: String = (0..100).map(|number| format!("k{number}: 1\n")).collect();
    assert_eq!(read(&format!("{many}k7: 2\n")).1, ["101:1 key `k7` is written twice"]);
    assert_eq!(read("{a: 1, \"a\": 2}").1, ["1:8 key `a` is written twice"]);
}

#[test]
fn aliases_cannot_outgrow_the_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let (tree, messages) = read(&text);
    assert!(tree.is_none());
    assert!(messages[0].ends_with("more than 5000000 values, with what aliases repeat"), "{messages:?}");
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let (tree, messages) = read(&text);
        assert!(tree.is_none() && messages[0].contains("nested too deeply"), "{messages:?}");
    }
}

#[test]
fn the_outermost_keys_are_found_even_in_a_broken_file() {
    let cases = [
        ("listeners: []\n", true),
        ("admin: {x: [1]}\nlisteners:\n  - a\n", true),
        ("a: &x {b: c}\nd: *x\nlisteners: []\n", true),
        ("{\"listeners\": []}", true),
        ("routes:\n  - listeners: []\n", false),
        ("a: listeners\n", false),
        ("listeners\n", false),
        ("[listeners, a]", false),
        ("a: [\nlisteners:\n", true),
        ("a: [\n  listeners:\n", false),
        ("", false),
    ];
    for (text, expected) in cases {
        assert_eq!(root_keys(text).iter().any(|key| key == "listeners"), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_tree_or_a_fault(text in "[a-c:\\-?&*!|>'\"%@`{}\\[\\],#~ \n\t\u{e9}\r]{0,60}") {
        let (tree, messages) = read(&text);
        prop_assert!(tree.is_some() || !messages.is_empty());
        root_keys(&text);
    }

    #[test]
    fn any_text_has_a_place_for_each_of_its_bytes(text in "[a\n\u{e9}\r]{0,40}", start in 0u32..50, width in 0u32..50) {
        let mut sources = Sources::default();
        let file = sources.add("x.yaml".into(), text).unwrap();
        let place = super::source::Place { file, start, end: start.saturating_add(width) };
        let faults = Faults::default();
        faults.push(super::faults::Fault::error(place, "x"));
        for diagnostic in faults.into_diagnostics(&sources) {
            diagnostic.render(true);
        }
        prop_assert_eq!(file, FileId(0));
    }
}
