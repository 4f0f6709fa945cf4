//! Which of a worker's connections stay ready for their next request while they rest.
//!
//! A connection that has just been answered holds some 20 KiB: buffers and what parses. A busy one is the cheaper the longer it keeps
//! them; but memory that thousands of connections took at the same time, though each for a moment, is not given back by an
//! allocator whose heap is then full of small holes. So there are places for a few, and the others let go of it all at once.

use std::cell::Cell;
use std::rc::Rc;

/// Connections of one worker that may rest with all that they hold, at one time.
const PLACES: usize = 256;

/// The places of one worker; clones share them.
#[derive(Clone, Debug, Default)]
pub struct WarmPlaces(Rc<Cell<usize>>);

/// One connection's place, or none; given back when it is dropped.
#[derive(Debug)]
pub(super) struct WarmPlace {
    places: WarmPlaces,
    is_taken: bool,
}

#[cfg(test)]
impl WarmPlaces {
    /// Places that are all taken.
    pub(super) fn full() -> Self {
        Self(Rc::new(Cell::new(PLACES)))
    }
}

impl WarmPlace {
    /// Without a place, for now.
    pub(super) fn new(places: WarmPlaces) -> Self {
        Self { places, is_taken: false }
    }

    /// Takes a place, or keeps the one that it has; `false` if there is none left.
    pub(super) fn take(&mut self) -> bool {
        let taken = &self.places.0;
        if !self.is_taken && taken.get() < PLACES {
            taken.set(taken.get() + 1);
            self.is_taken = true;
        }
        self.is_taken
    }

    /// Gives the place back, if it has one.
    pub(super) fn leave(&mut self) {
        if std::mem::take(&mut self.is_taken) {
            let taken = &self.places.0;
            taken.set(taken.get().saturating_sub(1));
        }
    }
}

impl Drop for WarmPlace {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_for_one_and_comes_back() {
        let places = WarmPlaces::default();
        let mut all: Vec<WarmPlace> = (0..PLACES).map(|_| WarmPlace::new(places.clone())).collect();
        assert!(all.iter_mut().all(WarmPlace::take));
        let mut late = WarmPlace::new(places);
        assert!(!late.take());
        assert!(all.iter_mut().all(WarmPlace::take), "whoever has a place keeps it");
        all[0].leave();
        assert!(late.take() && !all[0].take());
        all.pop();
        assert!(all[0].take(), "whoever ends gives its place back");
    }
}
