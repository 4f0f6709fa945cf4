//! Bounds that the system sets the process.

use super::finding::{Check, Finding};
use crate::app::DescriptorBudget;
use crate::config::Gateway;

/// Compares what the file lets the gateway have open with what a process that is started as this one may have.
pub(super) fn examine(gateway: &Gateway) -> Finding {
    let DescriptorBudget { needed, most, connections } = DescriptorBudget::of(gateway);
    let wanted = gateway.limits.connections;
    let Some(most) = most else {
        return Finding::ok(Check::Descriptors, "no bound", format!("{needed} at most are needed"));
    };
    let subject = format!("hard limit {most}");
    if needed <= most {
        return Finding::ok(Check::Descriptors, subject, format!("{needed} at most are needed"));
    }
    let message = format!(
        "up to {needed} are needed: of `limits.connections` ({wanted}) no more than {connections} are accepted"
    );
    let hint = "raise it (`ulimit -Hn`; a service has its own: `LimitNOFILE=` of systemd, `ulimits` of Compose), or lower \
                `limits.connections` and `connections.max` of upstreams";
    Finding::warning(Check::Descriptors, subject, message).hint(hint)
}
