//! All endpoints, policies and counters of a node: `--verbose`.

use std::fmt;

use super::details::{addresses, endpoint_not_enforced};
use crate::api::Status;
use crate::api::status::EndpointStatus;

pub(super) fn write(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result {
    writeln!(f, "\nEndpoints ({}):", status.endpoints.len())?;
    for one in &status.endpoints {
        endpoint(f, one)?;
    }
    writeln!(f, "\nPolicies ({}):", status.policies.len())?;
    for policy in &status.policies {
        let (name, selected) = (&policy.policy, policy.selected);
        writeln!(f, "  {name}  selects {selected} pods here")?;
        for (pod, why) in &policy.not_enforced {
            writeln!(f, "    NOT ENFORCED for {pod}: {why}")?;
        }
    }
    counts(f, "Packets since the programs are", &status.packets)?;
    counts(f, "Events not reported", &status.events_suppressed)?;
    writeln!(f, "\n{}", status.work)
}

fn endpoint(f: &mut fmt::Formatter<'_>, endpoint: &EndpointStatus) -> fmt::Result {
    match endpoint_not_enforced(endpoint) {
        Some(line) => write!(f, "  {line};")?,
        None => write!(f, "  {} {}", endpoint.pod, addresses(endpoint))?,
    }
    if !endpoint.links.is_empty() {
        write!(f, "  on {}", endpoint.links.join(" "))?;
    }
    for (direction, policies) in [("ingress", &endpoint.ingress), ("egress", &endpoint.egress)] {
        if policies.is_empty() {
            write!(f, "  {direction}: open")?;
        } else {
            write!(f, "  {direction}: {}", policies.join(", "))?;
        }
    }
    writeln!(f)
}

fn counts(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &std::collections::BTreeMap<String, u64>,
) -> fmt::Result {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    let counts: Vec<String> = counts
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}: {}", counts.join(", "))
}
