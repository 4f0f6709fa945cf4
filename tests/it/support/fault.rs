//! Faults, and the playing of many of them at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::stage::Stage;

/// How many faults are played at one time: most of them wait for a short while.
const AT_A_TIME: usize = 6;

/// Something that goes wrong.
pub struct Fault {
    /// The row of the table; also the last segment of the request's path.
    pub name: &'static str,
    /// What goes wrong, for people.
    pub says: &'static str,
    /// The key that bounds it, or nothing.
    pub bound: &'static str,
    /// The method of the request that it befalls.
    pub method: &'static str,
    pub act: fn(&mut Stage),
}

/// What one side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Http1,
    Http1Tls,
    Http2,
    Http2Tls,
}

/// What both sides speak.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub peer: Spoken,
    pub upstream: Spoken,
    /// Whether another exchange is under way on the connection that the fault befalls.
    pub beside: bool,
}

/// What became of a fault.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub peer_gets: String,
    pub peer_connection: String,
    /// What became of another exchange on the connection, if there is one.
    pub beside: &'static str,
    pub upstream_gets: String,
    pub upstream_connection: &'static str,
    pub counted: String,
    pub record: String,
}

impl Fault {
    pub const fn new(name: &'static str, says: &'static str, act: fn(&mut Stage)) -> Self {
        Self { name, says, bound: "", method: "GET", act }
    }

    /// The same, bounded by this key.
    pub const fn within(self, bound: &'static str) -> Self {
        Self { bound, ..self }
    }

    /// The same, befalling a request with this method.
    pub const fn of(self, method: &'static str) -> Self {
        Self { method, ..self }
    }
}

impl Spoken {
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    pub const fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }

    /// Its name in ALPN (RFC 7301).
    pub const fn alpn(self) -> &'static [u8] {
        if self.is_http2() { b"h2" } else { b"http/1.1" }
    }
}

/// Plays every fault, several at a time.
///
/// # Panics
///
/// When one of them comes to no end; all are named.
pub fn outcomes(scene: Scene, faults: &[Fault]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let played: Vec<Mutex<Option<Outcome>>> = faults.iter().map(|_| Mutex::default()).collect();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let take = || {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    faults.get(index).zip(played.get(index))
                };
                while let Some((fault, place)) = take() {
                    let outcome = catch_unwind(AssertUnwindSafe(|| play(scene, fault)));
                    *place.lock().expect("unpoisoned") = outcome.ok();
                }
            });
        }
    });
    let is_endless = |place: &Mutex<Option<Outcome>>| place.lock().expect("unpoisoned").is_none();
    let endless = faults.iter().zip(&played).filter(|(_, place)| is_endless(place));
    let endless: Vec<_> = endless.map(|(fault, _)| fault.name).collect();
    assert!(endless.is_empty(), "no outcome: {endless:?}");
    played.into_iter().filter_map(|played| played.into_inner().expect("unpoisoned")).collect()
}

fn play(scene: Scene, fault: &Fault) -> Outcome {
    let mut stage = Stage::new(scene, fault);
    if scene.beside {
        stage.begin_beside();
    }
    (fault.act)(&mut stage);
    stage.conclude(fault.method)
}
