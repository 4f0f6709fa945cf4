//! The lookup of hosts whose templates matchit cannot hold: a trie over whole segments.
//!
//! Each node is reached by one chain of segments only, so that the nodes visited on the way to a path are those whose
//! chain matches its beginning. A `**` is tried with as many segments left over as the templates behind it have, counted
//! from the end: the path's length does not multiply the work.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::policy::RouteIndex;
use crate::policy::segment::{Mixed, Segment, literal_order};
use crate::policy::template::{is_solid, split_segment};

/// Routes by the segments of their templates.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// The first is the root.
    nodes: Vec<Node>,
}

/// A number of a node.
pub(super) type NodeIndex = u32;

/// What may follow one chain of segments.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Sorted by [`literal_order`].
    pub(super) literals: Vec<(Box<str>, NodeIndex)>,
    /// The most specific first.
    pub(super) mixed: Vec<(Segment, NodeIndex)>,
    pub(super) placeholder: Option<NodeIndex>,
    pub(super) rest: Option<NodeIndex>,
    /// Routes whose templates end here; several only where letter case alone tells them apart.
    pub(super) ends: SmallVec<[Ranked; 1]>,
    /// The most segments that any template has behind this node.
    pub(super) height: usize,
}

/// A route, and how specific it is among those of the table; the smaller rank wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked {
    pub(super) rank: u32,
    pub(super) route: RouteIndex,
}

/// What goes into a trie.
#[derive(Debug)]
pub(super) struct Branch<'s> {
    pub(super) segments: &'s [Segment],
    pub(super) ranked: Ranked,
}

/// Routes that a path led to.
pub(super) type Matches = SmallVec<[Ranked; 4]>;

impl Trie {
    /// The trie of these templates; equal ones meet in one node.
    pub(super) fn new(mut branches: Vec<Branch<'_>>) -> Self {
        branches.sort_unstable_by(|a, b| compare_chains(a.segments, b.segments).then(a.ranked.cmp(&b.ranked)));
        let mut trie = Self::default();
        trie.grow(&branches, 0);
        trie
    }

    pub(super) fn node(&self, index: NodeIndex) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    /// The most specific route that matches the path.
    pub(super) fn best(&self, path: &str) -> Option<RouteIndex> {
        self.search(path, Wanted::Best).first().map(|ranked| ranked.route)
    }

    /// The most specific routes that match the path: several only where letter case alone tells them apart.
    pub(super) fn all_best(&self, path: &str) -> Matches {
        self.search(path, Wanted::Best)
    }

    /// The most specific routes for a path with a slash at its end, of those whose templates are written with one.
    pub(super) fn all_best_closed(&self, path: &str) -> Matches {
        self.search(path, Wanted::BestClosed)
    }

    /// Every route that matches the path, the most specific first.
    pub(super) fn all(&self, path: &str) -> Matches {
        let mut matches = self.search(path, Wanted::All);
        matches.sort_unstable();
        matches
    }

    fn search(&self, path: &str, wanted: Wanted) -> Matches {
        let mut search = Search { trie: self, wanted, matches: Matches::new() };
        if let Some(rest) = path.strip_prefix('/') {
            search.visit(0, Some(rest));
        }
        search.matches
    }

    /// A number for each route, the same for those that differ only in a slash at the end, or that meet in one node.
    pub(super) fn twins(&self) -> HashMap<RouteIndex, NodeIndex> {
        let mut twins = HashMap::new();
        for (number, node) in (0..).zip(&self.nodes) {
            // The root has no slash to lose. A node comes before those behind it, whose numbers it gives.
            let closed = node.literal("").filter(|_| number > 0).and_then(|child| self.node(child));
            for end in node.ends.iter().chain(closed.iter().flat_map(|closed| &closed.ends)) {
                twins.entry(end.route).or_insert(number);
            }
        }
        twins
    }

    /// Makes the node of a chain of `depth` segments that all the branches, which are sorted, begin with.
    fn grow(&mut self, branches: &[Branch<'_>], depth: usize) -> NodeIndex {
        let index = self.nodes.len();
        self.nodes.push(Node::default());
        let mut node = Node::default();
        for group in branches.chunk_by(|a, b| a.segments.get(depth) == b.segments.get(depth)) {
            let Some(segment) = group.first().and_then(|branch| branch.segments.get(depth)) else {
                node.ends = group.iter().map(|branch| branch.ranked).collect();
                continue;
            };
            let child = self.grow(group, depth + 1);
            node.height = node.height.max(1 + self.node(child).map_or(0, |child| child.height));
            match segment {
                Segment::Literal(text) => node.literals.push(((**text).into(), child)),
                Segment::Mixed(_) => node.mixed.push((segment.clone(), child)),
                Segment::Placeholder => node.placeholder = Some(child),
                Segment::Rest => node.rest = Some(child),
            }
        }
        if let Some(place) = self.nodes.get_mut(index) {
            *place = node;
        }
        NodeIndex::try_from(index).unwrap_or(NodeIndex::MAX)
    }
}

impl Node {
    /// The node behind a literal segment.
    pub(super) fn literal(&self, text: &str) -> Option<NodeIndex> {
        let found = self.literals.binary_search_by(|(literal, _)| literal_order(literal, text)).ok()?;
        self.literals.get(found).map(|(_, child)| *child)
    }
}

/// Sorts chains so that those with equal beginnings stand together, the shorter first.
fn compare_chains(a: &[Segment], b: &[Segment]) -> std::cmp::Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = a.sorting(b);
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Best,
    /// As `Best`, but a `**` may not end in an empty segment.
    BestClosed,
    All,
}

/// One walk along a path.
struct Search<'t> {
    trie: &'t Trie,
    wanted: Wanted,
    matches: Matches,
}

impl<'t> Search<'t> {
    /// Follows what is left of a path, `None` where nothing is, not even an empty segment. Says whether that led anywhere.
    ///
    /// The kinds of segments are tried from the most specific; what a less specific one leads to could never win. Of one
    /// kind and rank all are tried: what comes later decides between them.
    fn visit(&mut self, index: NodeIndex, left: Option<&str>) -> bool {
        let Some(node) = self.trie.node(index) else { return false };
        let Some(left) = left else { return self.end(node) };
        let (segment, following) = split_segment(left);
        let mut led = node.literal(segment).is_some_and(|child| self.visit(child, following));
        if !self.is_done(led) {
            led |= self.visit_mixed(node, left);
        }
        if !self.is_done(led) && !segment.is_empty() {
            led |= node.placeholder.is_some_and(|child| self.visit(child, following));
        }
        if !self.is_done(led) {
            led |= node.rest.is_some_and(|child| is_solid(left) && self.visit_spans(child, left, &Segment::Rest));
        }
        led
    }

    fn visit_mixed(&mut self, node: &'t Node, left: &str) -> bool {
        let (segment, following) = split_segment(left);
        let (mut led, mut rank) = (false, 0);
        for (mixed, child) in &node.mixed {
            if self.is_done(led) && mixed.rank() != rank {
                break;
            }
            rank = mixed.rank();
            led |= if mixed.has_rest() {
                is_solid(left) && self.visit_spans(*child, left, mixed)
            } else {
                mixed.matches(segment) && self.visit(*child, following)
            };
        }
        led
    }

    /// Follows a segment with `**` along `left`, in which no segment is empty but perhaps the last.
    fn visit_spans(&mut self, index: NodeIndex, left: &str, spanning: &Segment) -> bool {
        let Some(node) = self.trie.node(index) else { return false };
        let (mut led, mut span) = (false, left);
        for _ in 0..node.height {
            let Some((before, _)) = span.rsplit_once('/') else { break };
            span = before;
            if spanning.matches_span(span) {
                led |= self.visit(index, left.get(span.len() + 1..));
            }
        }
        // A template that goes on wins over one that ends with the `**`.
        if !self.is_done(led) && !node.ends.is_empty() && self.may_end_with(left) && spanning.matches_span(left) {
            led |= self.end(node);
        }
        led
    }

    fn may_end_with(&self, span: &str) -> bool {
        self.wanted != Wanted::BestClosed || !(span.is_empty() || span.ends_with('/'))
    }

    /// Whether something less specific need not be tried.
    fn is_done(&self, led: bool) -> bool {
        led && self.wanted != Wanted::All
    }

    /// Takes the routes whose templates end here.
    fn end(&mut self, node: &Node) -> bool {
        for ranked in &node.ends {
            match self.matches.first() {
                Some(best) if self.wanted != Wanted::All && best.rank < ranked.rank => {}
                Some(best) if self.wanted != Wanted::All && best.rank > ranked.rank => {
                    self.matches.clear();
                    self.matches.push(*ranked);
                }
                Some(_) | None => self.matches.push(*ranked),
            }
        }
        !node.ends.is_empty()
    }
}

impl Node {
    /// The mixed segments that may follow.
    pub(super) fn mixed(&self) -> impl Iterator<Item = (&Mixed, NodeIndex)> {
        self.mixed.iter().filter_map(|(segment, child)| match segment {
            Segment::Mixed(mixed) => Some((mixed, *child)),
            Segment::Literal(_) | Segment::Placeholder | Segment::Rest => None,
        })
    }
}
