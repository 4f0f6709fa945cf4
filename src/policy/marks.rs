//! What can be said of a route beforehand: whether folding letter case or the slash at the end could lead its paths to
//! another route.
//!
//! A walk along the template, through the trie of folded templates, looks for another route that a path of this one could
//! reach. It may find one where there is none, never the other way round: a route is then only looked up more often.

use crate::policy::RouteIndex;
use crate::policy::segment::{Mixed, Segment};
use crate::policy::trie::{Node, NodeIndex, Trie};

/// The most segments that a walk looks at before it gives up, so that a large table is built in time.
const MOST_STEPS: usize = 1024;

/// Which foldings cannot lead a route's paths elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// No path of the route meets another one once letter case is folded.
    pub(super) case_is_plain: bool,
    /// No path of the route meets another one when a slash is put to its end, or taken from it.
    pub(super) slash_is_plain: bool,
    /// Routes of one host with one number differ only in letter case or a slash at the end.
    pub(super) twin: NodeIndex,
}

impl Marks {
    /// The marks of the route with these folded segments, from the trie of the folded templates of its host.
    ///
    /// `is_closed` says whether any template of the host is written with a slash at the end.
    pub(super) fn of(segments: &[Segment], route: RouteIndex, twin: NodeIndex, folded: &Trie, is_closed: bool) -> Self {
        let same = Standing { equal: true, better: false };
        let case_is_plain = !Rivals::new(folded, route).meet(segments, same);
        let slash_is_plain = match segments.split_last() {
            Some((Segment::Literal(text), before)) if text.is_empty() => {
                // The root has no slash to lose.
                before.is_empty() || !Rivals::new(folded, route).meet(before, ANY)
            }
            // What a `**` ends with is not known beforehand.
            _ if segments.iter().any(Segment::has_rest) => false,
            _ if !is_closed => true,
            _ => {
                let longer: Vec<Segment> = segments.iter().cloned().chain([Segment::Literal("".into())]).collect();
                !Rivals::new(folded, route).meet(&longer, ANY)
            }
        };
        Self { case_is_plain, slash_is_plain, twin }
    }
}

/// How a rival's segments so far stand to the route's.
#[derive(Clone, Copy)]
struct Standing {
    /// They are the same segments.
    equal: bool,
    /// They are more specific, or specificity does not matter: whatever follows, the rival could win.
    better: bool,
}

/// Any route that shares a path is a rival, except one that is the same template.
const ANY: Standing = Standing { equal: true, better: true };

struct Rivals<'t> {
    folded: &'t Trie,
    route: RouteIndex,
    steps: usize,
}

impl<'t> Rivals<'t> {
    fn new(folded: &'t Trie, route: RouteIndex) -> Self {
        Self { folded, route, steps: 0 }
    }

    /// Whether some rival may share a path with these segments.
    fn meet(&mut self, segments: &[Segment], standing: Standing) -> bool {
        self.visit(0, segments, standing)
    }

    fn visit(&mut self, index: NodeIndex, segments: &[Segment], standing: Standing) -> bool {
        let Some(node) = self.folded.node(index) else { return false };
        // Looking at what follows takes a step for each, whether it leads on or not.
        self.steps += 1 + node.mixed.len();
        if self.steps > MOST_STEPS {
            return true;
        }
        match segments.split_first() {
            // A template that differs only by folding is told apart by exact spelling.
            None => !standing.equal && node.ends.iter().any(|end| end.route != self.route),
            Some((Segment::Literal(text), after)) => self.along_literal(node, text, after, standing),
            Some((Segment::Mixed(mixed), after)) if !mixed.has_rest() => self.along_mixed(node, mixed, after, standing),
            Some((Segment::Placeholder, after)) => self.along_placeholder(node, after, standing),
            Some((Segment::Mixed(_) | Segment::Rest, _)) => !standing.equal || !is_alone(self.folded, node, segments),
        }
    }

    fn along_literal(&mut self, node: &'t Node, text: &str, after: &[Segment], standing: Standing) -> bool {
        if node.literal(text).is_some_and(|child| self.visit(child, after, standing)) {
            return true;
        }
        if !standing.better {
            return false;
        }
        let other = Standing { equal: false, ..standing };
        node.rest.is_some()
            || node
                .mixed()
                .any(|(mixed, child)| mixed.has_rest() || (mixed.matches(text) && self.visit(child, after, other)))
            || (!text.is_empty() && node.placeholder.is_some_and(|child| self.visit(child, after, other)))
    }

    fn along_mixed(&mut self, node: &'t Node, own: &Mixed, after: &[Segment], standing: Standing) -> bool {
        let better = Standing { equal: false, better: true };
        self.steps += node.literals.len();
        if node.literals.iter().any(|(literal, child)| own.matches(literal) && self.visit(*child, after, better)) {
            return true;
        }
        for (mixed, child) in node.mixed() {
            if mixed.rank() > own.rank() && !standing.better {
                break;
            }
            let next = Standing {
                equal: standing.equal && mixed == own,
                better: standing.better || mixed.rank() < own.rank(),
            };
            if mixed.has_rest() || (mixed.meets(own) && self.visit(child, after, next)) {
                return true;
            }
        }
        let other = Standing { equal: false, ..standing };
        standing.better
            && (node.rest.is_some() || node.placeholder.is_some_and(|child| self.visit(child, after, other)))
    }

    fn along_placeholder(&mut self, node: &'t Node, after: &[Segment], standing: Standing) -> bool {
        let better = Standing { equal: false, better: true };
        let literals = node.literals.iter().filter(|(literal, _)| !literal.is_empty()).map(|(_, child)| *child);
        for child in literals.chain(node.mixed().filter(|(mixed, _)| !mixed.has_rest()).map(|(_, child)| child)) {
            if self.visit(child, after, better) {
                return true;
            }
        }
        node.mixed().any(|(mixed, _)| mixed.has_rest())
            || (standing.better && node.rest.is_some())
            || node.placeholder.is_some_and(|child| self.visit(child, after, standing))
    }
}

/// Whether the segments are one `**`, and nothing else stands beside or behind it.
fn is_alone(folded: &Trie, node: &Node, segments: &[Segment]) -> bool {
    let beside = node.literals.is_empty() && node.mixed.is_empty() && node.placeholder.is_none();
    let behind = node.rest.and_then(|child| folded.node(child));
    matches!(segments, [Segment::Rest]) && beside && behind.is_some_and(|rest| rest.height == 0 && rest.ends.len() == 1)
}
