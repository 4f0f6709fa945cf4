//! The one deadline that a connection has at any moment.
//!
//! A request passes through many waits, and a timer for each would be set and cancelled several times a request. Instead the
//! connection has a phase, every phase has one deadline, and a single timer is armed lazily: it is moved only when a deadline
//! comes nearer than what is armed, and looks at the phase again when it fires. A busy connection so touches the timer wheel
//! once in many seconds.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Longer than any phase.
const LONGEST: Duration = Duration::from_hours(48);

/// What a connection waits for. The driver closes it when the deadline of a phase of the peer's passes; those of the upstream
/// are seen by whoever waits, through [`Watch::has_expired`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first byte of the next request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The upstream's answer, or its readiness to take more of the request.
    Upstream,
    /// The next part of the request's content, from the peer.
    Content,
    /// The peer to take the answer.
    Peer,
}

/// A connection's phase, its deadline, and who is to be woken when it comes nearer.
#[derive(Debug)]
pub struct Watch {
    phase: Cell<Phase>,
    deadline: Cell<Instant>,
    /// How long the present phase may last.
    time: Cell<Duration>,
    armed: Cell<Option<Instant>>,
    expired: Cell<bool>,
    head_time: Cell<Duration>,
    switched: Cell<bool>,
    tunnel_over: Cell<bool>,
    /// Content of the last request may still come: what follows it is not yet where the next head begins.
    content_open: Cell<bool>,
    /// What was written last has not been flushed, or the stream is being shut down.
    unsettled: Cell<bool>,
    driver: RefCell<Option<Waker>>,
    driving: Cell<bool>,
}

impl Watch {
    /// A watch of a connection that was just accepted: it has `idle` to send its first byte, and `head_time` from that byte to
    /// complete a head.
    pub fn new(idle: Duration, head_time: Duration) -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            deadline: Cell::new(Instant::now() + idle),
            time: Cell::new(idle),
            armed: Cell::new(None),
            expired: Cell::new(false),
            head_time: Cell::new(head_time),
            switched: Cell::new(false),
            tunnel_over: Cell::new(false),
            content_open: Cell::new(false),
            unsettled: Cell::new(false),
            driver: RefCell::new(None),
            driving: Cell::new(false),
        }
    }

    /// A watch of one stream of a connection, whose first phase is entered by whoever answers it.
    pub(super) fn of_stream() -> Self {
        Self::new(LONGEST, LONGEST)
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Enters `phase`, which may last `time` from `now`. Wakes the driver only if the armed timer would come too late.
    pub fn enter(&self, phase: Phase, now: Instant, time: Duration) {
        let deadline = now + time;
        self.phase.set(phase);
        self.deadline.set(deadline);
        self.time.set(time);
        self.expired.set(false);
        // While it drives, the driver looks for itself when it is done.
        if !self.driving.get() && self.armed.get().is_none_or(|armed| deadline < armed) {
            self.wake();
        }
    }

    /// Ends an exchange: the next head may take `idle` to begin and `head_time` from its first byte.
    pub fn rest(&self, now: Instant, idle: Duration, head_time: Duration) {
        self.head_time.set(head_time);
        self.enter(Phase::Idle, now, idle);
    }

    /// Whether the deadline of the present phase has passed, as the driver last saw it.
    pub fn has_expired(&self) -> bool {
        self.expired.get()
    }

    /// Ends the present phase at once, whatever is left of its time; to be followed by [`Watch::wake`].
    pub fn expire(&self) {
        self.deadline.set(Instant::now());
        self.expired.set(true);
    }

    /// Says that the answer now given is the connection's last, a 101: after it the stream speaks another protocol, and is handed on.
    pub fn switch_protocols(&self) {
        self.switched.set(true);
    }

    /// Whether that was said.
    pub fn has_switched(&self) -> bool {
        self.switched.get()
    }

    /// Says that the tunnel which a stream of HTTP/2 has become is over: if it has not come to its own end, the stream is reset.
    pub fn tunnel_ended(&self) {
        self.tunnel_over.set(true);
        self.wake();
    }

    /// Takes note that the whole of the request's content has come.
    pub fn content_ended(&self) {
        self.content_open.set(false);
    }

    /// Whether content of the last request may still come.
    pub fn has_content_open(&self) -> bool {
        self.content_open.get()
    }

    /// Has the driver polled again, whatever it waits for.
    pub fn wake(&self) {
        if let Some(waker) = self.driver.borrow_mut().take() {
            waker.wake();
        }
    }

    /// A request begins, with content to come or without.
    pub(super) fn begins_exchange(&self, has_content: bool) {
        self.content_open.set(has_content);
    }

    pub(super) fn is_tunnel_over(&self) -> bool {
        self.tunnel_over.get()
    }

    pub(super) fn settled(&self, settled: bool) {
        self.unsettled.set(!settled);
    }

    /// Lets a connection that waits for a request wait `time` at most, from now on.
    pub(super) fn shorten_rest(&self, time: Duration) {
        if self.phase.get() == Phase::Idle && self.time.get() > time {
            self.time.set(time);
            self.deadline.set(self.deadline.get().min(Instant::now() + time));
        }
    }

    /// Whether nothing is under way: no request begun, none half read, no answer half written.
    pub(super) fn is_between_exchanges(&self) -> bool {
        self.phase.get() == Phase::Idle && !self.content_open.get() && !self.unsettled.get()
    }

    /// Whether nothing has been under way for `time`.
    pub(super) fn has_rested(&self, now: Instant, time: Duration) -> bool {
        // A deadline that was shortened lets nothing rest.
        self.is_between_exchanges() && self.deadline.get() + time <= now + self.time.get()
    }

    pub(super) fn bytes_arrived(&self) {
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Head);
            self.deadline.set(Instant::now() + self.head_time.get());
        }
    }

    /// A peer that takes an answer slowly takes it all the same.
    pub(super) fn bytes_left(&self) {
        if self.phase.get() == Phase::Peer {
            self.deadline.set(Instant::now() + self.time.get());
        }
    }

    pub(super) fn driven_by(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    /// Whether the driver is polling what enters phases.
    pub(super) fn driving(&self, driving: bool) {
        self.driving.set(driving);
    }

    /// The moment to arm the timer for, if what is armed would come too late; remembers it as armed.
    ///
    /// It is armed for `look_after` from now at most, where given: then it looks whether the connection rests.
    pub(super) fn to_arm(&self, look_after: Option<Duration>) -> Option<Instant> {
        let deadline = self.deadline.get();
        let at = look_after.map_or(deadline, |time| deadline.min(Instant::now() + time));
        if self.armed.get().is_some_and(|armed| armed <= at) {
            return None;
        }
        if look_after.is_none() && self.time.get() >= LONGEST {
            return None;
        }
        self.armed.set(Some(at));
        Some(at)
    }

    /// Whether the timer is armed. One that has fired is not, and says nothing more.
    pub(super) fn is_armed(&self) -> bool {
        self.armed.get().is_some()
    }

    /// Takes note that the timer fired at `now`; whether the deadline of the present phase has truly passed.
    pub(super) fn fired(&self, now: Instant) -> bool {
        self.armed.set(None);
        if now < self.deadline.get() {
            return false;
        }
        self.expired.set(true);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_timer_is_moved_only_when_a_deadline_comes_nearer() {
        let watch = Watch::new(75 * SECOND, 10 * SECOND);
        assert!(watch.to_arm(None).is_some());
        watch.bytes_arrived();
        assert_eq!(watch.phase(), Phase::Head);
        assert!(watch.to_arm(None).is_some(), "10 s come before 75 s");
        watch.enter(Phase::Upstream, Instant::now(), 30 * SECOND);
        assert_eq!(watch.to_arm(None), None, "the armed timer comes first and will look again");
    }

    #[test]
    fn a_timer_that_fires_early_expires_nothing() {
        let watch = Watch::new(75 * SECOND, 10 * SECOND);
        let now = Instant::now();
        watch.enter(Phase::Upstream, now, 30 * SECOND);
        assert!(!watch.fired(now + 10 * SECOND));
        assert!(!watch.has_expired());
        assert!(watch.fired(now + 30 * SECOND));
        assert!(watch.has_expired());
        watch.rest(now + 31 * SECOND, SECOND, SECOND);
        assert!(!watch.has_expired(), "a new phase begins unexpired");
    }

    #[test]
    fn only_a_connection_with_nothing_under_way_rests() {
        type Begin = fn(&Watch);
        let watch = Watch::new(75 * SECOND, 10 * SECOND);
        let now = Instant::now();
        let cases: [(&str, Begin); 4] = [
            ("an exchange", |watch| watch.enter(Phase::Upstream, Instant::now(), SECOND)),
            ("a head", Watch::bytes_arrived),
            ("content", |watch| watch.begins_exchange(true)),
            ("something to write", |watch| watch.settled(false)),
        ];
        for (name, begin) in cases {
            watch.begins_exchange(false);
            watch.settled(true);
            watch.rest(now, 75 * SECOND, 10 * SECOND);
            assert!(!watch.has_rested(now, SECOND), "not yet");
            assert!(watch.has_rested(now + SECOND, SECOND));
            begin(&watch);
            assert!(!watch.has_rested(now + SECOND, SECOND), "{name}");
        }
    }

    #[test]
    fn a_drain_leaves_those_that_rest_a_moment() {
        let watch = Watch::new(75 * SECOND, 10 * SECOND);
        watch.shorten_rest(SECOND);
        let deadline = watch.to_arm(None);
        watch.shorten_rest(SECOND);
        assert!(deadline.is_some() && watch.to_arm(None).is_none(), "shortened once");
        assert!(deadline.is_some_and(|deadline| deadline <= Instant::now() + SECOND));
    }

    #[test]
    fn bytes_in_the_midst_of_an_exchange_do_not_begin_a_head() {
        let watch = Watch::new(SECOND, SECOND);
        watch.enter(Phase::Content, Instant::now(), SECOND);
        watch.bytes_arrived();
        assert_eq!(watch.phase(), Phase::Content);
    }
}
