//! Whether two templates share a path, decided exactly: a walk over both at once that keeps the path it went.
//!
//! A template is a chain of atoms, each one character or a run of characters. A state of the walk is a place in either
//! chain and what the segment so far is made of, so that no path with a dot segment is taken for a witness: such a path
//! is never looked up.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use smallvec::SmallVec;

use crate::policy::segment::{Piece, Segment, fold_character};

/// A shortest path that both chains match.
pub(super) fn witness(first: &[Segment], second: &[Segment]) -> Option<String> {
    Walk::new(Chain::new(first, false), Chain::new(second, false)).run()
}

/// A shortest path that both chains match once their letters are folded, where a slash at the end may be there or not.
pub(super) fn folded_witness(first: &[Segment], second: &[Segment]) -> Option<String> {
    let path = Walk::new(Chain::new(first, true), Chain::new(second, true)).run()?;
    Some(if path.is_empty() { "/".to_owned() } else { path })
}

/// One step of a chain.
enum Atom {
    Character(char),
    /// One or more characters that are no slash.
    Run,
    /// `**`; `open` where a slash stands before it, so that it may be empty at the very end.
    Rest {
        open: bool,
    },
}

/// A place in a chain: the atom, and how far into it.
type Place = (usize, Phase);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Nothing of the atom has been taken.
    Before,
    /// Some characters of the run's segment have been taken.
    Within,
    /// The `**` has just taken a slash.
    AfterSlash,
}

struct Chain {
    atoms: Vec<Atom>,
    folded: bool,
}

impl Chain {
    fn new(segments: &[Segment], folded: bool) -> Self {
        let mut atoms = Vec::new();
        let text = |atoms: &mut Vec<Atom>, text: &str| {
            atoms.extend(text.chars().map(|c| Atom::Character(if folded { fold_character(c) } else { c })));
        };
        for segment in segments {
            atoms.push(Atom::Character('/'));
            match segment {
                Segment::Literal(literal) => text(&mut atoms, literal),
                Segment::Placeholder => atoms.push(Atom::Run),
                Segment::Rest => atoms.push(Atom::Rest { open: true }),
                Segment::Mixed(mixed) => {
                    for (position, piece) in mixed.pieces().iter().enumerate() {
                        match piece {
                            Piece::Text(literal) => text(&mut atoms, literal),
                            Piece::Placeholder => atoms.push(Atom::Run),
                            Piece::Rest => atoms.push(Atom::Rest { open: position == 0 }),
                        }
                    }
                }
            }
        }
        Self { atoms, folded }
    }

    /// The places to which a character leads.
    fn advance(&self, (index, phase): Place, character: char) -> SmallVec<[Place; 2]> {
        let run = || SmallVec::from_slice(&[(index, Phase::Within), (index + 1, Phase::Before)]);
        match (self.atoms.get(index), character) {
            (Some(Atom::Character(expected)), _) if *expected == character => {
                SmallVec::from_slice(&[(index + 1, Phase::Before)])
            }
            (None | Some(Atom::Character(_) | Atom::Run), '/') => SmallVec::new(),
            (Some(Atom::Rest { .. }), '/') if phase == Phase::Within => {
                SmallVec::from_slice(&[(index, Phase::AfterSlash)])
            }
            (Some(Atom::Rest { .. }), '/') | (None | Some(Atom::Character(_)), _) => SmallVec::new(),
            (Some(Atom::Run | Atom::Rest { .. }), _) => run(),
        }
    }

    /// Whether the path may end here.
    fn accepts(&self, place: Place) -> bool {
        self.ends(place) || (self.folded && self.advance(place, '/').into_iter().any(|next| self.ends(next)))
    }

    fn ends(&self, (index, phase): Place) -> bool {
        match self.atoms.get(index) {
            None => true,
            Some(Atom::Rest { open }) if index + 1 == self.atoms.len() => {
                phase == Phase::AfterSlash || (*open && phase == Phase::Before)
            }
            Some(Atom::Character(_) | Atom::Run | Atom::Rest { .. }) => false,
        }
    }

    /// The one character that may follow here, if there is only one.
    fn only(&self, (index, _): Place) -> Option<char> {
        match self.atoms.get(index) {
            Some(Atom::Character(character)) => Some(*character),
            None | Some(Atom::Run | Atom::Rest { .. }) => None,
        }
    }
}

/// What the segment so far is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Dots {
    Nothing,
    One,
    Two,
    Other,
}

impl Dots {
    /// `None` where a slash would end a dot segment.
    fn then(self, character: char) -> Option<Self> {
        match (character, self) {
            ('/', Self::One | Self::Two) => None,
            ('/', Self::Nothing | Self::Other) => Some(Self::Nothing),
            ('.', Self::Nothing) => Some(Self::One),
            ('.', Self::One) => Some(Self::Two),
            (_, Self::Nothing | Self::One | Self::Two | Self::Other) => Some(Self::Other),
        }
    }
}

type State = (Place, Place, Dots);

/// A breadth-first walk over the product of two chains.
struct Walk {
    first: Chain,
    second: Chain,
    /// From where, and by which character, each state was reached first.
    reached: HashMap<State, Option<(State, char)>>,
    queue: VecDeque<State>,
}

impl Walk {
    fn new(first: Chain, second: Chain) -> Self {
        let start = ((0, Phase::Before), (0, Phase::Before), Dots::Other);
        Self { first, second, reached: HashMap::from([(start, None)]), queue: VecDeque::from([start]) }
    }

    fn run(mut self) -> Option<String> {
        while let Some(state) = self.queue.pop_front() {
            let (first, second, dots) = state;
            if self.first.accepts(first) && self.second.accepts(second) && !matches!(dots, Dots::One | Dots::Two) {
                return Some(self.path(state));
            }
            // Where neither asks for a character, any will do for both.
            match self.first.only(first).or_else(|| self.second.only(second)) {
                Some(character) => self.step(state, character),
                None => {
                    self.step(state, 'x');
                    self.step(state, '/');
                }
            }
        }
        None
    }

    fn step(&mut self, state: State, character: char) {
        let (first, second, dots) = state;
        let Some(dots) = dots.then(character) else { return };
        let seconds = self.second.advance(second, character);
        for first in self.first.advance(first, character) {
            for &second in &seconds {
                let next = (first, second, dots);
                if let Entry::Vacant(place) = self.reached.entry(next) {
                    place.insert(Some((state, character)));
                    self.queue.push_back(next);
                }
            }
        }
    }

    /// The characters on the way to a state.
    fn path(&self, mut state: State) -> String {
        let mut characters = Vec::new();
        while let Some(Some((before, character))) = self.reached.get(&state) {
            characters.push(*character);
            state = *before;
        }
        characters.iter().rev().collect()
    }
}
