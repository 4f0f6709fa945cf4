//! The parts of a checked request for `counts.py`, which counts their instructions under valgrind.
//!
//! Prints the number and the name of every part, then takes lines of a part's number and how often it is to be run, and answers each
//! with `done`. So everything is prepared before anything is counted.

#![allow(missing_docs, clippy::print_stdout, reason = "a benchmark is a program")]

mod subjects;

use std::io::stdin;

use subjects::Subject;

fn main() {
    let mut subjects = subjects::all();
    for (number, Subject { group, name, .. }) in subjects.iter().enumerate() {
        println!("{number} {group}: {name}");
    }
    println!("ready");
    for line in stdin().lines().map_while(Result::ok) {
        let words =
            line.split_once(' ').and_then(|(number, count)| Some((number.parse::<usize>().ok()?, count.parse().ok()?)));
        let Some((Subject { run, .. }, count)) =
            words.and_then(|(number, count)| Some((subjects.get_mut(number)?, count)))
        else {
            break;
        };
        repeat(run, count);
        println!("done");
    }
}

#[inline(never)]
fn repeat(run: &mut dyn FnMut(), count: usize) {
    for _ in 0..count {
        run();
    }
}
