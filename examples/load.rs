//! How long a policy file takes to load, with the table, its warnings and its tests: five times, and the median.
//!
//! `cargo run --release --example load` makes a file of 20,000 routes for it; a path as argument is loaded instead.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use scopegate::config;

const ROUTES: usize = 20_000;
const SERVICES: usize = 300;
const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let (path, made) = match std::env::args_os().nth(1) {
        Some(path) => (PathBuf::from(path), false),
        None => (std::env::temp_dir().join(format!("scopegate-load-{}.yaml", std::process::id())), true),
    };
    if made {
        std::fs::write(&path, policy()?)?;
    }
    let times = (0..RUNS).map(|_| load(&path)).collect::<Result<Vec<_>, _>>();
    if made {
        std::fs::remove_file(&path)?;
    }
    let mut times = times?;
    times.sort();
    println!("median {:?} of {times:?}", times.get(RUNS / 2).copied().unwrap_or_default());
    Ok(())
}

fn load(path: &PathBuf) -> Result<Duration, String> {
    let start = Instant::now();
    let policy = config::load_policy(std::slice::from_ref(path));
    let took = start.elapsed();
    let render = |faults: Vec<config::Diagnostic>| faults.iter().map(|fault| fault.render(false)).collect::<String>();
    let policy = policy.map_err(render)?;
    println!("{} routes, {} warnings: {took:?}", policy.table.routes().len(), policy.warnings.len());
    Ok(took)
}

/// Eight lines a route, four methods each with another form of requirement.
fn policy() -> Result<String, std::fmt::Error> {
    let mut text = String::from("scopes:\n");
    for service in 0..SERVICES {
        writeln!(text, "  s{service}: {{describe: Manage, implies: [s{service}:read], admin: admin.s{service}}}")?;
        writeln!(text, "  s{service}:read: {{describe: See, admin: admin.s{service}:read}}")?;
        writeln!(text, "  admin.s{service}: {{describe: Manage all, implies: [admin.s{service}:read]}}")?;
        writeln!(text, "  admin.s{service}:read: {{describe: See all}}")?;
    }
    text.push_str("routes:\n");
    for route in 0..ROUTES {
        let service = route % SERVICES;
        let other = (service + 1) % SERVICES;
        writeln!(text, "  - id: s{service}-resource-{route}")?;
        writeln!(text, "    path: /api/v1/s{service}/resources{route}/{{id}}/items/{{item}}")?;
        writeln!(text, "    upstream: upstream{service}\n    methods:\n      GET: s{service}:read")?;
        writeln!(text, "      POST: {{any_of: [s{service}, s{other}]}}\n      PUT: s{service}")?;
        writeln!(text, "      DELETE: {{user: {{all_of: [s{service}, s{other}:read]}}, admin: admin.s{service}}}")?;
    }
    Ok(text)
}
