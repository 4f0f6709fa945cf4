//! Templates: grammar, matching, and the algebra against the plain oracle.

use std::cmp::Ordering;

use proptest::prelude::*;

use crate::policy::{Template, oracle};

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|fault| panic!("`{text}`: {fault}"))
}

#[test]
fn templates_are_read() {
    for (text, shape, example) in [
        ("/", "/", "/"),
        ("/a", "/a", "/a"),
        ("/a/", "/a/", "/a/"),
        ("/a/{id}", "/a/{}", "/a/x"),
        ("/a/{id}:cancel", "/a/{}:cancel", "/a/x:cancel"),
        ("/v{version}/x", "/v{}/x", "/vx/x"),
        ("/{base}...{head}", "/{}...{}", "/x...x"),
        ("/find(kb={kb})", "/find(kb={})", "/find(kb=x)"),
        ("/files/{rest=**}", "/files/{**}", "/files/x"),
        ("/{name=**}:cancel", "/{**}:cancel", "/x:cancel"),
        ("/a/{r=**}/b/{id}", "/a/{**}/b/{}", "/a/x/b/x"),
        ("/users/@me/$batch/a*b", "/users/@me/$batch/a*b", "/users/@me/$batch/a*b"),
    ] {
        let template = template(text);
        assert_eq!((&*template.shape(), &*template.example()), (shape, example), "{text}");
        assert_eq!(template.as_str(), text);
        assert!(template.matches(&template.example()), "{text}");
    }
}

#[test]
fn names_of_placeholders_mean_nothing() {
    assert_eq!(template("/a/{id}/{r=**}"), template("/a/{name}/{path=**}"));
    assert_ne!(template("/a/{id}"), template("/a/{id=**}"));
    assert_ne!(template("/a"), template("/a/"));
}

#[test]
fn faults_have_a_place_and_a_hint() {
    for (text, at, message, has_hint) in [
        ("", 0, "a path begins with `/`", true),
        ("a/b", 0, "a path begins with `/`", true),
        ("https://api.test/a", 0, "a path begins with `/`", true),
        ("/a//b", 3, "an inner segment is empty", true),
        ("//", 1, "an inner segment is empty", true),
        ("/a/../b", 3, "`..` is a dot segment, which no request may hold", false),
        ("/a/.", 3, "`.` is a dot segment, which no request may hold", false),
        ("/a%20b", 2, "a template holds no escapes", true),
        ("/a\\b", 2, "a backslash can be read as a slash", false),
        ("/a\u{7}b", 2, "a control character can never match", false),
        ("/a\u{85}", 2, "a control character can never match", false),
        ("/a}b", 2, "`}` closes nothing", true),
        ("/a/{id", 3, "`{` is never closed", true),
        ("/{}", 1, "the placeholder has no name", true),
        ("/{=**}", 1, "the placeholder has no name", true),
        ("/{a}{b}", 4, "two placeholders are adjacent", true),
        ("/{a}{b=**}", 4, "two placeholders are adjacent", true),
        ("/{a=**}/{b=**}", 8, "a second `**`", true),
        ("/{a=**}x{b=**}", 8, "a second `**`", true),
        ("/{*rest}", 1, "a placeholder's name holds no `*`", true),
        ("/{rest*}", 1, "a placeholder's name holds no `*`", true),
        ("/{id:[0-9]+}", 1, "a placeholder's name holds no `:`", true),
        ("/{a b}", 1, "a placeholder's name holds no ` `", true),
        ("/{id=*}", 1, "`=*` is no pattern", true),
        ("/{name=projects/*}", 1, "a placeholder's only pattern is `**`", true),
    ] {
        let fault = Template::parse(text).expect_err(text);
        assert_eq!((fault.at, &*fault.message, fault.hint.is_some()), (at, message, has_hint), "{text}");
    }
    assert!(Template::parse(&format!("/{}", "a".repeat(5000))).is_err());
    assert!(Template::parse(&"/a".repeat(257)).is_err());
    assert!(Template::parse(&"/a".repeat(256)).is_ok());
}

#[test]
fn literals_that_can_never_match_are_known() {
    for (text, at) in [
        ("/a/{id}", None),
        ("/a?b", Some(2)),
        ("/{id}#x", Some(5)),
        ("/a/{id};v", Some(7)),
        ("/a b", Some(2)),
        ("/caf\u{e9}", Some(4)),
    ] {
        assert_eq!(template(text).unmatchable_literal(), at, "{text}");
    }
}

#[test]
fn a_rest_is_whole_segments_of_which_the_last_may_be_empty() {
    for (text, path, expected) in [
        ("/files/{rest=**}", "/files/", true),
        ("/files/{rest=**}", "/files/a/", true),
        ("/files/{rest=**}", "/files/a/b", true),
        ("/files/{rest=**}", "/files", false),
        ("/files/{rest=**}", "/files//", false),
        ("/files/{rest=**}", "/files//a", false),
        ("/files/x{rest=**}", "/files/x", false),
        ("/files/x{rest=**}", "/files/xa/", true),
        ("/files/x{rest=**}", "/files/x/a", false),
        ("/{rest=**}:cancel", "/a/b:cancel", true),
        ("/{rest=**}:cancel", "/:cancel", false),
        ("/{rest=**}:cancel", "/a/:cancel", false),
        ("/{rest=**}:cancel", "/a:cancel/b", false),
        ("/a/{rest=**}/b", "/a/b", false),
        ("/a/{rest=**}/b", "/a/x/b/b", true),
        ("/a/{rest=**}/b/", "/a/x/b/", true),
        ("/a/{rest=**}/", "/a/x/", true),
        ("/a/{rest=**}/", "/a/x", false),
        ("/{a}x{b}", "/xxx", true),
        ("/{a}x{b}", "/xx", false),
        ("/{a}xy{b}xy", "/1xy2xy3xy", true),
        ("/", "/", true),
        ("/", "", false),
    ] {
        assert_eq!(template(text).matches(path), expected, "{text} {path}");
        assert_eq!(oracle::matches(text, path), expected, "the oracle: {text} {path}");
    }
}

#[test]
fn the_more_specific_segment_wins_from_the_left() {
    let ordered = [
        "/a/b/c",
        "/a/b",
        "/a/{x}bc",
        "/a/{x}b/c",
        "/a/{x}b",
        "/a/{r=**}b",
        "/a/{x}",
        "/a/{r=**}/c",
        "/a/{r=**}",
        "/{x}/b",
    ];
    for (position, first) in ordered.iter().enumerate() {
        for second in &ordered[position + 1..] {
            assert_eq!(template(first).precedence(&template(second)), Ordering::Less, "{first} {second}");
            assert_eq!(template(second).precedence(&template(first)), Ordering::Greater, "{second} {first}");
        }
    }
    assert_eq!(template("/a/{x}").precedence(&template("/b/{y}")), Ordering::Equal);
}

#[test]
fn overlaps_are_shown_by_a_path() {
    for (first, second, expected) in [
        ("/a/{x}", "/a/b", Some("/a/b")),
        ("/a/{x}", "/b/{x}", None),
        ("/a{x}b", "/{y}c", None),
        ("/a{x}", "/{y}c", Some("/ac")),
        ("/a{x}bc", "/ab{x}c", Some("/abbc")),
        ("/{x}/b", "/a/{y}", Some("/a/b")),
        ("/{r=**}/b", "/a/{s=**}", Some("/a/b")),
        ("/{r=**}:x", "/a/{id}", Some("/a/x:x")),
        ("/{a}-{b}", "/x{c}y", Some("/x-y")),
        ("/.{x}", "/{y}.", Some("/.x.")),
        ("/a/{r=**}", "/a", None),
        ("/a/{r=**}", "/a/", Some("/a/")),
    ] {
        let (first, second) = (template(first), template(second));
        let witness = first.overlap(&second);
        assert_eq!(witness.is_some(), expected.is_some(), "{first:?} {second:?}: {witness:?}");
        if let (Some(witness), Some(expected)) = (witness, expected) {
            assert_eq!(witness.len(), expected.len(), "as short as `{expected}`: `{witness}`");
            assert!(first.matches(&witness) && second.matches(&witness), "{witness}");
        }
    }
}

#[test]
fn folding_ignores_letter_case_and_a_slash_at_the_end() {
    for (first, second, expected) in [
        ("/b/listAll", "/b/listall", Some("/b/listall")),
        ("/a", "/a/", Some("/a")),
        ("/A/{x}", "/a/B/", Some("/a/b")),
        ("/files", "/files/{rest=**}", Some("/files")),
        ("/a{x}B", "/A{y}c", None),
        ("/a", "/b", None),
    ] {
        assert_eq!(template(first).folded_overlap(&template(second)).as_deref(), expected, "{first} {second}");
    }
}

/// A path without a slash at its end and in lower case, if it is more than the root.
fn folded(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    path.strip_suffix('/').filter(|shorter| !shorter.is_empty()).map_or(path.clone(), str::to_owned)
}

proptest! {
    #[test]
    fn matching_is_the_oracles(template in oracle::template(), paths in prop::collection::vec(oracle::path(), 24)) {
        for path in paths {
            prop_assert_eq!(template.matches(&path), oracle::matches(template.as_str(), &path), "{:?} {}", template.as_str(), path);
        }
    }

    #[test]
    fn precedence_is_the_oracles(first in oracle::template(), second in oracle::template()) {
        prop_assert_eq!(first.precedence(&second), oracle::precedence(first.as_str(), second.as_str()));
        prop_assert_eq!(first.precedence(&second), second.precedence(&first).reverse());
    }

    #[test]
    fn an_overlap_is_shown_and_its_absence_is_true(
        first in oracle::template(),
        second in oracle::template(),
        paths in prop::collection::vec(oracle::path(), 48),
    ) {
        match first.overlap(&second) {
            Some(path) => {
                prop_assert!(oracle::matches(first.as_str(), &path) && oracle::matches(second.as_str(), &path), "{path}");
                prop_assert!(!oracle::has_dot_segment(&path), "{path}");
            }
            None => {
                for path in paths.iter().filter(|path| !oracle::has_dot_segment(path)) {
                    prop_assert!(!(oracle::matches(first.as_str(), path) && oracle::matches(second.as_str(), path)), "{path}");
                }
            }
        }
    }

    #[test]
    fn a_folded_overlap_is_never_missed(
        first in oracle::template(),
        second in oracle::template(),
        paths in prop::collection::vec(oracle::path(), 48),
    ) {
        let of = |template: &Template| -> Vec<String> {
            let matching = paths.iter().filter(|path| !oracle::has_dot_segment(path) && template.matches(path));
            matching.map(|path| folded(path)).collect()
        };
        let second_paths = of(&second);
        if of(&first).iter().any(|path| second_paths.contains(path)) {
            prop_assert!(first.folded_overlap(&second).is_some());
        }
        if first.overlap(&second).is_some() {
            prop_assert!(first.folded_overlap(&second).is_some());
        }
    }

    #[test]
    fn parsing_never_panics_and_keeps_the_text(text in "[/a-c{}=*.%\\\\:\u{e9}\u{7}]{0,40}") {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(template.as_str(), &text);
            prop_assert!(template.matches(&template.example()));
            let renamed = template.shape().replace("{}", "{x}").replace("{**}", "{x=**}");
            prop_assert_eq!(Template::parse(&renamed).unwrap(), template);
        }
    }
}
