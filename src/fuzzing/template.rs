//! Templates: their texts, what they match, and what two of them share.

use super::lines::Lines;
use super::naive;
use crate::policy::{Pattern, Template, TemplateFault, fold_case};

/// Longer inputs say no more.
const MOST_BYTES: usize = 512;

/// Lines: two templates and a path.
///
/// * A template's text is read again as the same template; its example is matched by it; a fault's place is in the text.
/// * A template matches what a plain reader of its text says it matches.
/// * The path that two templates are said to share is matched by both; if some path is matched by both, one is said.
/// * Precedence and sharing do not depend on the order of the two, nor on the names of placeholders.
pub fn template(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let mut lines = Lines::of(bytes);
    let (Some(one), Some(other), Some(path)) = (lines.text(), lines.text(), lines.text()) else { return };
    let parsed = [one, other].map(|text| Template::parse(text).map_err(|fault| is_in(&fault, text)));
    for template in parsed.iter().flatten() {
        is_one(template, path);
    }
    let [Ok(one), Ok(other)] = parsed else { return };
    are_two(&one, &other, path);
}

fn is_in(fault: &TemplateFault, text: &str) {
    assert!(text.is_char_boundary(fault.at), "{} of {text:?}", fault.at);
    assert!(!fault.message.is_empty() && !fault.message.ends_with('.'), "{}", fault.message);
}

fn is_one(template: &Template, path: &str) {
    let text = template.as_str();
    assert_eq!(Template::parse(text).as_ref().map(Template::as_str), Ok(text));
    let pattern = Pattern::new(text);
    let example = template.example();
    assert!(template.matches(&example) && pattern.matches(&example), "{text} and {example}");
    assert_eq!(template.matches(path), pattern.matches(path), "{text} and {path}");
    assert!(template.unmatchable_literal().is_none_or(|at| text.is_char_boundary(at)), "{text}");
    assert!(template.precedence(template).is_eq(), "{text}");
    if !naive::has_dot_segment(&example) {
        assert!(template.overlap(template).is_some(), "{text} shares nothing with itself");
    }
}

fn are_two(one: &Template, other: &Template, path: &str) {
    let texts = format!("{} and {}", one.as_str(), other.as_str());
    assert_eq!(one.precedence(other), other.precedence(one).reverse(), "{texts}");
    assert_eq!(one == other, one.shape() == other.shape(), "{texts}");
    assert!(one != other || one.precedence(other).is_eq(), "{texts}");
    let (there, back) = (one.overlap(other), other.overlap(one));
    assert_eq!(there.as_ref().map(String::len), back.as_ref().map(String::len), "{texts}");
    for shared in [&there, &back].into_iter().flatten() {
        assert!(one.matches(shared) && other.matches(shared), "{texts} do not share {shared}");
        assert!(!shared.split('/').any(|segment| matches!(segment, "." | "..")), "{shared}");
    }
    let is_looked_up = !path.split('/').any(|segment| matches!(segment, "." | ".."));
    if is_looked_up && one.matches(path) && other.matches(path) {
        assert!(there.is_some(), "{texts} share {path}");
    }
    are_two_folded(one, other, path, &texts);
}

fn are_two_folded(one: &Template, other: &Template, path: &str, texts: &str) {
    let (there, back) = (one.folded_overlap(other), other.folded_overlap(one));
    assert_eq!(there.as_ref().map(String::len), back.as_ref().map(String::len), "{texts}");
    let patterns = [one, other].map(|template| Pattern::folded(template.as_str()));
    let reaches = |pattern: &Pattern, path: &str| {
        let shorter = path.strip_suffix('/').filter(|path| !path.is_empty());
        pattern.matches(path)
            || pattern.matches(&format!("{path}/"))
            || shorter.is_some_and(|path| pattern.matches(path))
    };
    if let Some(shared) = &there {
        assert_eq!(*shared, fold_case(shared), "{texts}");
        assert!(patterns.iter().all(|pattern| reaches(pattern, shared)), "{texts} do not share {shared} folded");
    }
    let path = fold_case(path);
    let is_looked_up = !path.split('/').any(|segment| matches!(segment, "." | ".."));
    if is_looked_up && patterns.iter().all(|pattern| pattern.matches(&path)) {
        assert!(there.is_some(), "{texts} share {path} folded");
    }
}
