//! The lookups: against the oracle, against each other, and on hostile paths.

use std::sync::Arc;

use proptest::prelude::*;

use crate::policy::matcher::Matcher;
use crate::policy::segment::Segment;
use crate::policy::trie::{Branch, Ranked, Trie};
use crate::policy::{RouteIndex, Template, oracle};

fn trie(templates: &[Template]) -> Arc<Trie> {
    let mut order: Vec<usize> = (0..templates.len()).collect();
    order.sort_by(|&a, &b| templates[a].precedence(&templates[b]));
    let mut ranks = vec![0; templates.len()];
    for pair in order.windows(2) {
        ranks[pair[1]] = ranks[pair[0]] + u32::from(templates[pair[0]].precedence(&templates[pair[1]]).is_lt());
    }
    let branch = |n: usize| Branch {
        segments: templates[n].segments(),
        ranked: Ranked { rank: ranks[n], route: RouteIndex::of(n) },
    };
    Arc::new(Trie::new((0..templates.len()).map(branch).collect()))
}

fn matcher(templates: &[Template]) -> Matcher {
    let indexed = templates.iter().enumerate().map(|(n, template)| (template, RouteIndex::of(n)));
    Matcher::new(indexed, || trie(templates))
}

fn parse(templates: &[&str]) -> Vec<Template> {
    templates.iter().map(|text| Template::parse(text).unwrap()).collect()
}

#[test]
fn the_small_lookup_serves_tables_of_literals_and_whole_placeholders() {
    let is_small = |templates: &[&str]| matches!(matcher(&parse(templates)), Matcher::Small(_));
    assert!(is_small(&["/", "/a", "/a/", "/a/{id}", "/a/{x}/b", "/{y}/b"]));
    assert!(!is_small(&["/a/{id}:cancel"]));
    assert!(!is_small(&["/a/{rest=**}"]));
    assert!(!is_small(&["/v{version}/a"]));
    let many: String = (0..30).map(|n| format!("/{{p{n}}}")).collect();
    assert!(!is_small(&[&many]), "more placeholders than matchit has letters for");
}

#[test]
fn a_path_never_falls_through_to_a_template_that_lost() {
    let templates = parse(&["/x/{id}:cancel/a", "/x/{id}/b", "/{r=**}", "/files/{rest=**}"]);
    let matcher = matcher(&templates);
    for (path, expected) in [
        ("/x/1:cancel/a", Some(0)),
        ("/x/1:cancel/b", Some(1)),
        ("/x/1:cancel/c", Some(2)),
        ("/files/", Some(3)),
        ("/files", Some(2)),
        ("/", Some(2)),
        ("//", None),
        ("/x//b", None),
    ] {
        assert_eq!(matcher.best(path), expected.map(RouteIndex), "{path}");
    }
}

#[test]
fn equal_kinds_are_all_tried() {
    let templates = parse(&["/a{x}/lit", "/{y}b/{id}", "/{r=**}/b/{id}", "/{r=**}/{id}/c"]);
    let matcher = matcher(&templates);
    for (path, expected) in [
        ("/acb/lit", Some(0)),
        ("/acb/other", Some(1)),
        ("/1/2/b/c", Some(2)),
        ("/1/2/d/c", Some(3)),
        ("/1/b/c", Some(2)),
    ] {
        assert_eq!(matcher.best(path), expected.map(RouteIndex), "{path}");
    }
}

/// Work is bounded by the table, not by the path: a doubling would never end here.
#[test]
fn hostile_paths_are_looked_up_in_time() {
    let mut texts: Vec<String> = Vec::new();
    for depth in 1..12 {
        texts.push(format!("{}/{{r=**}}/b", "/{x}".repeat(depth)));
        texts.push(format!("{}/{{r=**}}/a/{{y}}:c", "/a".repeat(depth)));
        texts.push(format!("{}/a{{r=**}}a/{{y}}", "/{x}".repeat(depth)));
        texts.push(format!("{}/{{p}}a{{q}}a{{s}}a", "/a".repeat(depth)));
    }
    let templates = parse(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let matcher = matcher(&oracle::compatible(templates));
    for path in
        ["/a".repeat(4096), format!("/{}", "a".repeat(8191)), "/a:c".repeat(2000), format!("{}/c", "/a".repeat(4000))]
    {
        for _ in 0..50 {
            std::hint::black_box(matcher.best(&path));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_large_lookup_is_the_oracles(
        templates in prop::collection::vec(oracle::template(), 1..24),
        paths in prop::collection::vec(oracle::path(), 48),
    ) {
        let templates = oracle::compatible(templates);
        let trie = trie(&templates);
        // A template's own example is a path that random letters seldom are.
        let examples = templates.iter().map(Template::example);
        for path in paths.into_iter().chain(examples).filter(|path| !oracle::has_dot_segment(path)) {
            let expected = oracle::winner(&templates, &path).map(RouteIndex::of);
            prop_assert_eq!(trie.best(&path), expected, "{}", path);
            let all: Vec<_> = trie.all(&path).iter().map(|ranked| ranked.route).collect();
            let matching = (0..templates.len()).filter(|&n| oracle::matches(templates[n].as_str(), &path)).count();
            prop_assert_eq!((all.len(), all.first().copied()), (matching, expected), "{}", path);
        }
    }

    #[test]
    fn small_and_large_tables_decide_alike(
        templates in prop::collection::vec(oracle::simple_template(), 1..32),
        paths in prop::collection::vec(oracle::path(), 64),
    ) {
        let templates = oracle::compatible(templates);
        let (small, large) = (matcher(&templates), trie(&templates));
        prop_assert!(matches!(small, Matcher::Small(_)));
        for path in paths.into_iter().chain(templates.iter().map(Template::example)) {
            prop_assert_eq!(small.best(&path), large.best(&path), "{}", path);
            prop_assert_eq!(large.best(&path), oracle::winner(&templates, &path).map(RouteIndex::of), "{}", path);
        }
    }

    #[test]
    fn a_closed_lookup_sees_only_templates_written_with_a_slash(
        templates in prop::collection::vec(oracle::template(), 1..24),
        paths in prop::collection::vec(oracle::path(), 48),
    ) {
        let templates = oracle::compatible(templates);
        let closed: Vec<_> = templates.iter().filter(|template| template.is_closed()).cloned().collect();
        let trie = trie(&templates);
        for path in paths.iter().filter(|path| !path.ends_with('/')).map(|path| format!("{path}/")) {
            let found = trie.all_best_closed(&path).first().map(|ranked| templates[ranked.route.position()].clone());
            let expected = oracle::winner(&closed, &path).map(|n| closed[n].clone());
            prop_assert_eq!(found, expected, "{}", path);
        }
    }

    #[test]
    fn folding_segments_folds_what_they_match(template in oracle::template(), path in oracle::path()) {
        let segments: Vec<_> = template.segments().iter().map(Segment::folded).collect();
        let branch = Branch { segments: &segments, ranked: Ranked { rank: 0, route: RouteIndex(0) } };
        let folded = Trie::new(vec![branch]);
        if template.matches(&path) {
            prop_assert!(folded.best(&path.to_ascii_lowercase()).is_some());
        }
    }
}
