//! What the tables of `docs/faults.md` have in common.

use std::slice;

use crate::support::{Fault, Outcome, Scene, Spoken, Stage, eventually, has_row, hold_table, outcomes};

const DOCUMENT: &str = "docs/faults.md";
/// How often a fault is played again whose row is another.
const AGAIN: usize = 3;

/// The cells of one row.
type Row = Vec<String>;

/// Both sides as of old.
pub const HTTP1: Scene = Scene { peer: Spoken::Http1, upstream: Spoken::Http1, beside: false };

pub const fn fault(name: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    Fault::new(name, says, act)
}

pub const fn post(name: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    fault(name, says, act).of("POST")
}

pub const fn bounded(name: &'static str, bound: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    fault(name, says, act).within(bound)
}

/// Sends `part` from the upstream again and again, until the gateway has closed the connection.
pub fn trickle(stage: &mut Stage, part: &str) {
    let upstream = stage.upstream();
    eventually("the gateway gives it up", || {
        upstream.write_some(part.as_bytes());
        upstream.read_some().then_some(())
    });
}

/// The same from the peer.
pub fn trickle_from_peer(stage: &mut Stage, part: &str) {
    eventually("the gateway gives it up", || {
        stage.peer.write_some(part.as_bytes());
        stage.peer.read_some().then_some(())
    });
}

/// Plays faults of an upstream that speaks HTTP/1.1, before peers of both versions, and holds the table to what they see.
pub fn hold_upstream(heading: &str, faults: &[Fault]) {
    hold_table(DOCUMENT, heading, &as_told(faults, upstream_rows));
}

fn upstream_rows(faults: &[Fault]) -> Vec<Row> {
    let multiplexed = outcomes(Scene { peer: Spoken::Http2, upstream: Spoken::Http1, beside: true }, faults);
    let rows = faults.iter().zip(outcomes(HTTP1, faults)).zip(multiplexed).map(|((fault, outcome), multiplexed)| {
        let Outcome { peer_connection, beside, .. } = &multiplexed;
        assert_eq!((&**peer_connection, *beside), ("kept", "go on"), "{} costs its own stream alone", fault.name);
        let seen = |outcome: &Outcome| (outcome.counted.clone(), outcome.record.clone());
        assert_eq!(seen(&multiplexed), seen(&outcome), "{} is counted alike, whatever the peer speaks", fault.name);
        let over_http2 = over_http2(&outcome, multiplexed);
        vec![
            code(fault.name),
            fault.says.to_owned(),
            outcome.peer_gets,
            outcome.peer_connection,
            over_http2,
            outcome.upstream_connection.to_owned(),
            outcome.counted,
            code(fault.bound),
            outcome.record,
        ]
    });
    rows.collect()
}

/// What differs when the peer speaks HTTP/2.
fn over_http2(outcome: &Outcome, multiplexed: Outcome) -> String {
    let gets = if multiplexed.peer_gets == outcome.peer_gets { "the same".into() } else { multiplexed.peer_gets };
    match multiplexed.upstream_connection == outcome.upstream_connection {
        true => gets,
        false => format!("{gets}; the upstream's is {}", multiplexed.upstream_connection),
    }
}

/// Plays faults in one scene, and holds the table to what is seen on both sides.
pub fn hold(heading: &str, scene: Scene, faults: &[Fault]) {
    hold_table(DOCUMENT, heading, &as_told(faults, |faults| rows(scene, faults)));
}

fn rows(scene: Scene, faults: &[Fault]) -> Vec<Row> {
    let rows = faults.iter().zip(outcomes(scene, faults)).map(|(fault, outcome)| {
        let beside = scene.beside.then(|| outcome.beside.to_owned());
        let cells = [
            code(fault.name),
            fault.says.to_owned(),
            outcome.peer_gets,
            outcome.peer_connection,
            outcome.upstream_gets,
            outcome.upstream_connection.to_owned(),
        ];
        let more = [outcome.counted, code(fault.bound), outcome.record];
        cells.into_iter().chain(beside).chain(more).collect()
    });
    rows.collect()
}

/// The rows of all faults. One that the document does not have is played again by itself, a few times at most: beside dozens of others
/// a busy machine lets bounds pass early, and where both sides act at the same moment either may come first.
fn as_told(faults: &[Fault], rows: impl Fn(&[Fault]) -> Vec<Row>) -> Vec<Row> {
    let mut seen = rows(faults);
    for (row, fault) in seen.iter_mut().zip(faults) {
        for _ in 0..AGAIN {
            if has_row(DOCUMENT, row) {
                break;
            }
            *row = rows(slice::from_ref(fault)).remove(0);
        }
    }
    seen
}

fn code(text: &str) -> String {
    if text.is_empty() { "–".into() } else { format!("`{text}`") }
}
