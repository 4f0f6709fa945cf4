//! What each scope contains through `implies`, or the circles that make the question meaningless.

use std::slice;

use super::{ScopeId, ScopeSet};

/// A circle: its scopes in the order of `implies`, from the one listed first; the last implies the first.
pub(super) type Circle = Vec<ScopeId>;

/// Closes `implied` (by position: what each scope implies directly), reflexively.
///
/// Depth-first with a stack of its own, so that a long chain costs no thread stack. Every edge that leads back to a
/// scope still being visited gives one circle: mending one edge in each of those reported leaves no circle at all.
pub(super) fn closures(implied: &[Vec<ScopeId>]) -> Result<Vec<ScopeSet>, Vec<Circle>> {
    let marks = implied.iter().map(|_| Mark::New).collect();
    let mut walk = Walk { implied, marks, path: Vec::new(), circles: Vec::new() };
    for (start, _) in (0u32..).zip(implied) {
        walk.visit(ScopeId(start));
    }
    if !walk.circles.is_empty() {
        return Err(walk.circles);
    }
    Ok(walk.marks.into_iter().map(Mark::closure).collect())
}

enum Mark {
    New,
    OnPath,
    Closed(ScopeSet),
}

impl Mark {
    fn closure(self) -> ScopeSet {
        match self {
            Self::Closed(closure) => closure,
            Self::New | Self::OnPath => ScopeSet::default(),
        }
    }
}

/// A scope being visited: what is left of the scopes that it implies, and what it was seen to contain so far.
struct Visit<'a> {
    scope: ScopeId,
    rest: slice::Iter<'a, ScopeId>,
    contains: ScopeSet,
}

struct Walk<'a> {
    implied: &'a [Vec<ScopeId>],
    marks: Vec<Mark>,
    path: Vec<Visit<'a>>,
    circles: Vec<Circle>,
}

impl Walk<'_> {
    fn visit(&mut self, start: ScopeId) {
        if matches!(self.marks.get(start.index()), Some(Mark::New)) {
            self.enter(start);
        }
        while let Some(visit) = self.path.last_mut() {
            let Some(&next) = visit.rest.next() else {
                self.leave();
                continue;
            };
            match self.marks.get(next.index()) {
                Some(Mark::New) => self.enter(next),
                Some(Mark::OnPath) => self.close_circle(next),
                Some(Mark::Closed(closure)) => visit.contains.union_with(closure),
                None => {}
            }
        }
    }

    fn enter(&mut self, scope: ScopeId) {
        let Some(implied) = self.implied.get(scope.index()) else { return };
        self.mark(scope, Mark::OnPath);
        self.path.push(Visit { scope, rest: implied.iter(), contains: ScopeSet::from_iter([scope]) });
    }

    fn leave(&mut self) {
        let Some(visit) = self.path.pop() else { return };
        if let Some(parent) = self.path.last_mut() {
            parent.contains.union_with(&visit.contains);
        }
        self.mark(visit.scope, Mark::Closed(visit.contains));
    }

    fn mark(&mut self, scope: ScopeId, mark: Mark) {
        if let Some(place) = self.marks.get_mut(scope.index()) {
            *place = mark;
        }
    }

    fn close_circle(&mut self, back_to: ScopeId) {
        let mut circle: Circle =
            self.path.iter().map(|visit| visit.scope).skip_while(|scope| *scope != back_to).collect();
        let first = circle.iter().enumerate().min_by_key(|(_, scope)| **scope).map_or(0, |(place, _)| place);
        circle.rotate_left(first);
        if !self.circles.contains(&circle) {
            self.circles.push(circle);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Edges = &'static [&'static [u32]];

    fn graph(edges: Edges) -> Vec<Vec<ScopeId>> {
        edges.iter().map(|implied| implied.iter().map(|id| ScopeId(*id)).collect()).collect()
    }

    #[test]
    fn each_circle_is_reported_once_and_whole() {
        let cases: [(&str, Edges, Edges); 6] = [
            ("itself", &[&[0]], &[&[0]]),
            ("two", &[&[1], &[0]], &[&[0, 1]]),
            ("entered from outside", &[&[2], &[2], &[3], &[1]], &[&[1, 2, 3]]),
            ("two circles that share a scope", &[&[1], &[0, 2], &[1]], &[&[0, 1], &[1, 2]]),
            ("two apart", &[&[1], &[0], &[3], &[2]], &[&[0, 1], &[2, 3]]),
            ("written twice", &[&[1, 1], &[0, 0]], &[&[0, 1]]),
        ];
        for (name, edges, circles) in cases {
            assert_eq!(closures(&graph(edges)), Err(graph(circles)), "{name}");
        }
    }

    #[test]
    fn a_circle_of_twenty_thousand_needs_no_stack() {
        let length = 20_000;
        let circle: Vec<Vec<ScopeId>> = (1..=length).map(|next| vec![ScopeId(next % length)]).collect();
        assert_eq!(closures(&circle).unwrap_err(), [(0..length).map(ScopeId).collect::<Vec<_>>()]);
    }

    /// What is reachable, by repeating until nothing changes.
    fn naive(implied: &[Vec<ScopeId>]) -> Vec<ScopeSet> {
        let mut sets: Vec<ScopeSet> = (0..implied.len() as u32).map(|id| ScopeSet::from_iter([ScopeId(id)])).collect();
        loop {
            let before = sets.clone();
            for (set, children) in sets.iter_mut().zip(implied) {
                children.iter().for_each(|child| set.union_with(&before[child.index()]));
            }
            if sets == before {
                return sets;
            }
        }
    }

    fn any_graph() -> impl Strategy<Value = Vec<Vec<ScopeId>>> {
        (1usize..9).prop_flat_map(|size| {
            let implied = prop::collection::vec((0..size as u32).prop_map(ScopeId), 0..3);
            prop::collection::vec(implied, size)
        })
    }

    proptest! {
        #[test]
        fn agrees_with_naive_reachability(implied in any_graph()) {
            let reachable = naive(&implied);
            let reaches = |from: &ScopeId, id: usize| reachable[from.index()].contains(ScopeId(id as u32));
            let on_a_circle = |id: usize| implied[id].iter().any(|next| reaches(next, id));
            match closures(&implied) {
                Ok(sets) => {
                    prop_assert!(!(0..implied.len()).any(on_a_circle));
                    prop_assert_eq!(sets, reachable);
                }
                Err(circles) => {
                    for circle in &circles {
                        let next = circle.iter().cycle().skip(1);
                        prop_assert!(circle.iter().zip(next).all(|(from, to)| implied[from.index()].contains(to)));
                    }
                    let mut mended = implied.clone();
                    // Cutting every edge of every reported circle leaves none.
                    for circle in &circles {
                        for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                            mended[from.index()].retain(|next| next != to);
                        }
                    }
                    prop_assert!(closures(&mended).is_ok());
                }
            }
        }
    }
}
