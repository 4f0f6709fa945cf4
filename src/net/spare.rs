//! Descriptors that are kept for the moment when the process may have no more.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use rustix::io::Errno;

/// A few descriptors of no other use: one that is given up makes room for a connection, which can then be told that there is no
/// room, or be served because it matters.
#[derive(Debug)]
pub(super) struct Spare {
    kept: RefCell<Vec<OwnedFd>>,
    number: usize,
}

impl Spare {
    /// Keeps `number` of them.
    ///
    /// # Errors
    ///
    /// What the operating system says when there are not as many.
    pub(super) fn new(number: usize) -> io::Result<Self> {
        let kept = (0..number).map(|_| descriptor()).collect::<io::Result<_>>()?;
        Ok(Self { kept: RefCell::new(kept), number })
    }

    /// Takes back what was given up, as far as there is room again.
    pub(super) fn refill(&self) {
        let mut kept = self.kept.borrow_mut();
        while kept.len() < self.number {
            let Ok(descriptor) = descriptor() else { return };
            kept.push(descriptor);
        }
    }

    /// Makes room for one descriptor; whether there was one to give up. Another thread may be quicker to use the room.
    pub(super) fn give_up(&self) -> bool {
        self.kept.borrow_mut().pop().is_some()
    }
}

/// Whether a fault means that the process, or the system, may have no more descriptors.
pub fn lacks_descriptors(fault: &io::Error) -> bool {
    matches!(Errno::from_io_error(fault), Some(Errno::MFILE | Errno::NFILE))
}

/// A socket that nobody is at the other end of: it needs no file.
fn descriptor() -> io::Result<OwnedFd> {
    UnixDatagram::unbound().map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_taken_back() {
        let spare = Spare::new(2).unwrap();
        assert_eq!([spare.give_up(), spare.give_up(), spare.give_up()], [true, true, false]);
        spare.refill();
        assert!(spare.give_up());
    }

    #[test]
    fn a_lack_of_descriptors_is_no_other_fault() {
        for (code, expected) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::CONNABORTED, false)] {
            assert_eq!(lacks_descriptors(&code.into()), expected, "{code}");
        }
        assert!(!lacks_descriptors(&io::Error::other("something else")));
    }
}
