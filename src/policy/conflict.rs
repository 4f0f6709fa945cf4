//! Pairs of templates that share a path although neither is more specific: found without comparing all with all.
//!
//! Templates of equal rank have the same kinds of segments in the same places, and a path that both match needs the same
//! literals in them. Templates that agree in all that are put in one group; in a group only segments that mix text and
//! placeholders differ. Two of those share a text if the fixed beginning of one begins with that of the other, and the
//! ends likewise: sorted by beginning, or by end, such pairs stand together.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use crate::policy::segment::Segment;
use crate::policy::{HostPattern, Route, TableFault, Template};

/// Beyond this many, more faults of this kind would help nobody.
const MOST_FAULTS: usize = 1000;

/// Every pair of routes of one host, up to a bound, that share a path and are of equal rank.
pub(super) fn overlaps(routes: &[Route]) -> Vec<TableFault> {
    let mut groups: Vec<Vec<Member<'_>>> = Vec::new();
    for alike in look_alikes(routes).chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        let mut by_key: HashMap<_, Vec<Member<'_>>> = HashMap::new();
        for (position, route) in alike.iter().filter_map(|(_, position)| Some((*position, routes.get(*position)?))) {
            by_key.entry(key(route)).or_default().push((position, &route.template));
        }
        groups.extend(by_key.into_values());
    }
    groups.sort_unstable_by_key(|members| members.first().map(|(position, _)| *position));
    let mut faults = Vec::new();
    let mut found = |first: &Member<'_>, second: &Member<'_>| {
        let example = first.1.overlap(second.1).unwrap_or_else(|| first.1.example());
        faults.push(TableFault::Overlap { first: first.0.min(second.0), second: first.0.max(second.0), example });
        if faults.len() == MOST_FAULTS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    // Broken off or not, what was found is told.
    let _ = groups.iter().try_for_each(|members| pairs(members, &mut found));
    faults
}

/// A route's position and template.
type Member<'r> = (usize, &'r Template);

/// What two routes must have in common to be of equal rank and share a path: the host, and of each segment its rank and
/// its literal.
type Key<'r> = (Option<&'r HostPattern>, Vec<(u32, &'r str)>);

fn key(route: &Route) -> Key<'_> {
    (route.host.as_ref(), route.template.segments().iter().map(segment_key).collect())
}

fn segment_key(segment: &Segment) -> (u32, &str) {
    match segment {
        Segment::Literal(literal) => (segment.rank(), literal),
        Segment::Mixed(_) | Segment::Placeholder | Segment::Rest => (segment.rank(), ""),
    }
}

/// The positions of routes, those with equal keys together, each with its key's hash: most routes are alone.
fn look_alikes(routes: &[Route]) -> Vec<(u64, usize)> {
    let hash = |route: &Route| {
        let mut hasher = DefaultHasher::new();
        route.host.hash(&mut hasher);
        route.template.segments().iter().for_each(|segment| segment_key(segment).hash(&mut hasher));
        hasher.finish()
    };
    let mut hashes: Vec<_> = routes.iter().enumerate().map(|(position, route)| (hash(route), position)).collect();
    hashes.sort_unstable();
    hashes
}

/// A side of a segment that mixes text and placeholders: its fixed beginning, or its fixed end read backwards.
#[derive(Clone, Copy)]
enum Side {
    Beginning(usize),
    End(usize),
}

impl Side {
    /// The fixed text of this side from the outside inwards; empty where the segment is of another kind.
    fn text(self, template: &Template) -> String {
        let (Self::Beginning(at) | Self::End(at)) = self;
        match (template.segments().get(at), self) {
            (Some(Segment::Mixed(mixed)), Self::Beginning(_)) => mixed.prefix().to_owned(),
            (Some(Segment::Mixed(mixed)), Self::End(_)) => mixed.suffix().chars().rev().collect(),
            (None | Some(Segment::Literal(_) | Segment::Placeholder | Segment::Rest), _) => String::new(),
        }
    }
}

/// Calls `found` with each pair of a group that shares a path, until it breaks off.
fn pairs(
    members: &[Member<'_>],
    found: &mut impl FnMut(&Member<'_>, &Member<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some((_, first)) = members.first() else { return ControlFlow::Continue(()) };
    let mixed = first.segments().iter().enumerate().filter(|(_, segment)| matches!(segment, Segment::Mixed(_)));
    let sides = mixed.flat_map(|(at, _)| [Side::Beginning(at), Side::End(at)]);
    let Some(sorted) = sides.map(|side| Sorted::new(members, side)).min_by_key(Sorted::count) else {
        // Without such a segment the templates of a group are one path.
        return members.iter().zip(members.iter().skip(1)).try_for_each(|(first, second)| found(first, second));
    };
    for (position, (_, member)) in sorted.0.iter().enumerate() {
        let behind = sorted.behind(position).iter().map(|(_, other)| *other);
        behind.filter(|other| meet(member.1, other.1)).try_for_each(|other| found(member, other))?;
    }
    ControlFlow::Continue(())
}

/// Whether two templates of one group share a path: whether each pair of their segments does.
fn meet(first: &Template, second: &Template) -> bool {
    first.segments().iter().zip(second.segments()).all(|pair| match pair {
        (Segment::Mixed(first), Segment::Mixed(second)) => first.meets(second),
        (Segment::Literal(_) | Segment::Mixed(_) | Segment::Placeholder | Segment::Rest, _) => true,
    })
}

/// The members of a group in the order of one side's text.
struct Sorted<'m, 'r>(Vec<(String, &'m Member<'r>)>);

impl<'m, 'r> Sorted<'m, 'r> {
    fn new(members: &'m [Member<'r>], side: Side) -> Self {
        let mut sorted: Vec<_> = members.iter().map(|member| (side.text(member.1), member)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        Self(sorted)
    }

    /// How many pairs there are of which one text begins with the other.
    fn count(&self) -> usize {
        (0..self.0.len()).map(|position| self.behind(position).len()).sum()
    }

    /// The members after a position whose texts begin with its text: in sorted order they stand together.
    fn behind(&self, position: usize) -> &[(String, &'m Member<'r>)] {
        let text = self.0.get(position).map_or("", |(text, _)| text);
        let after = self.0.get(position + 1..).unwrap_or(&[]);
        after.get(..after.partition_point(|(longer, _)| longer.starts_with(text))).unwrap_or(&[])
    }
}
