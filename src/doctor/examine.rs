//! All checks together.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, join_all};
use tokio::runtime::{Builder, LocalOptions};

use super::finding::{Check, Finding, Report};
use super::{certificates, files, issuers, limits, listeners, polled, upstreams};
use crate::clock::Clock;
use crate::config::{self, Gateway};

/// Looks at everything that the gateway file `path` needs; no question takes longer than `timeout`.
///
/// Where the file does not compile the rest is skipped: nobody knows what it should be.
///
/// # Errors
///
/// What the system says when it refuses an event queue.
pub fn examine(path: &Path, timeout: Duration) -> io::Result<Report> {
    let (loaded, inputs) = config::load_gateway_with_inputs(path);
    let mut findings = files::permissions(&inputs);
    match loaded {
        Ok(gateway) => {
            findings.push(files::compiled(path, &gateway));
            // As a worker of the gateway has it: pools of connections stay on their thread.
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
            findings.extend(runtime.block_on(look(&gateway, &Clock::system(), timeout)));
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
            Ok(Report::new(findings, gateway.warnings))
        }
        Err(diagnostics) => {
            findings.push(files::refused(path, &diagnostics));
            findings.extend(skipped(path));
            Ok(Report::new(findings, diagnostics))
        }
    }
}

async fn look(gateway: &Gateway, clock: &Clock, timeout: Duration) -> Vec<Finding> {
    let mut looks: Vec<LocalBoxFuture<'_, Vec<Finding>>> = vec![listeners::examine(gateway, timeout).boxed_local()];
    for issuer in &gateway.issuers {
        looks.push(issuers::examine(issuer, clock, timeout).boxed_local());
    }
    for upstream in &gateway.upstreams {
        looks.push(upstreams::examine(upstream, timeout).map(|finding| vec![finding]).boxed_local());
    }
    if let Some(directory) = &gateway.role_directory {
        looks.push(polled::role_directory(directory, timeout).map(|finding| vec![finding]).boxed_local());
    }
    let mut findings = join_all(looks).await.concat();
    findings.extend(certificates::examine(gateway, clock));
    findings.push(limits::examine(gateway));
    findings
}

fn skipped(path: &Path) -> impl Iterator<Item = Finding> {
    let looked_at = [Check::Configuration, Check::Permissions];
    let checks = Check::ALL.into_iter().filter(move |check| !looked_at.contains(check));
    let subject = path.display().to_string();
    checks.map(move |check| Finding::skipped(check, subject.clone(), "the gateway file does not compile"))
}
