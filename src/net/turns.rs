//! Who is next among those who wait for something scarce: every peer's connection in its turn.

use std::collections::VecDeque;

/// Those who wait, in the order in which they are served.
///
/// Each peer's first goes before every other's second, and so on, however many somebody asks for at once. When no more may wait,
/// one whose turn is farthest gives way to one whose turn is nearer.
#[derive(Debug)]
pub(super) struct Turns<T> {
    /// By their turns.
    waiting: VecDeque<Waiting<T>>,
    /// The turn that was served last.
    turn: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    peer: usize,
    turn: u64,
    waiter: T,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), turn: 0 }
    }
}

impl<T> Turns<T> {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets those who no longer wait.
    pub(super) fn retain(&mut self, waits: impl Fn(&T) -> bool) {
        self.waiting.retain(|waiting| waits(&waiting.waiter));
    }

    /// Has one more wait for `peer`, if `most` do not wait yet, or one of them has a turn that is farther: that one is dropped.
    /// Whether it waits now.
    pub(super) fn push(&mut self, peer: usize, waiter: T, most: usize) -> bool {
        let last = self.waiting.iter().rev().find(|waiting| waiting.peer == peer).map(|waiting| waiting.turn);
        let turn = last.map_or(self.turn, |last| last + 1).max(self.turn);
        if self.len() >= most {
            if self.waiting.back().is_none_or(|farthest| farthest.turn <= turn) {
                return false;
            }
            drop(self.waiting.pop_back());
        }
        let place = self.waiting.partition_point(|waiting| waiting.turn <= turn);
        self.waiting.insert(place, Waiting { peer, turn, waiter });
        true
    }

    /// The next.
    pub(super) fn pop(&mut self) -> Option<T> {
        let next = self.waiting.pop_front()?;
        self.turn = next.turn;
        Some(next.waiter)
    }

    /// Those of whom this is true, who wait no longer.
    pub(super) fn take_if(&mut self, is_taken: impl Fn(&T) -> bool) -> Vec<T> {
        let waiting = std::mem::take(&mut self.waiting);
        let (taken, left): (Vec<_>, _) = waiting.into_iter().partition(|waiting| is_taken(&waiting.waiter));
        self.waiting = left.into();
        taken.into_iter().map(|waiting| waiting.waiter).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn served(mut turns: Turns<&str>) -> Vec<&str> {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn nobody_waits_behind_all_that_another_asks_for() {
        let mut turns = Turns::default();
        for (peer, waiter) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert!(turns.push(peer, waiter, 10));
        }
        assert_eq!(turns.pop(), Some("a1"));
        assert!(turns.push(4, "d1", 10));
        assert_eq!(served(turns), ["b1", "c1", "d1", "a2", "b2", "a3"]);
    }

    #[test]
    fn who_asks_for_most_gives_way_when_no_more_may_wait() {
        let mut turns = Turns::default();
        assert!(["a1", "a2", "a3"].into_iter().all(|waiter| turns.push(1, waiter, 3)));
        assert!(!turns.push(1, "a4", 3), "its own would have the farthest turn");
        assert!(turns.push(2, "b1", 3) && turns.push(3, "c1", 3));
        assert!(!turns.push(4, "d1", 3), "all turns are the first");
        assert_eq!(served(turns), ["a1", "b1", "c1"]);
    }

    #[test]
    fn who_waited_before_has_no_farther_turn_for_it() {
        let mut turns = Turns::default();
        for _ in 0..5 {
            assert!(turns.push(1, "a", 9));
            assert_eq!(turns.pop(), Some("a"));
        }
        assert!(turns.push(1, "a", 9) && turns.push(2, "b", 9));
        assert_eq!(served(turns), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn each_peer_is_served_in_its_order(asked in prop::collection::vec((0..4_usize, any::<bool>()), 0..60)) {
            let (mut turns, mut seen) = (Turns::default(), Vec::new());
            for (number, (peer, pops)) in asked.iter().enumerate() {
                prop_assert!(turns.push(*peer, (*peer, number), usize::MAX));
                seen.extend(pops.then(|| turns.pop()).flatten());
            }
            seen.extend(std::iter::from_fn(|| turns.pop()));
            prop_assert_eq!(seen.len(), asked.len());
            for peer in 0..4 {
                prop_assert!(seen.iter().filter(|(of, _)| *of == peer).is_sorted());
            }
        }
    }
}
