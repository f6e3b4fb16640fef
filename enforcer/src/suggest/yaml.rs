//! Policies as YAML, with what they rest on as comments.

use std::io::{self, Write};

use enforcer_policy::model::NAMESPACE_NAME_LABEL;

use super::policy::Policy;
use super::ports::PortName;
use super::rules::{Peer, Rule};
use super::selector::Selector;
use super::text::{count, denial, number, plain, scalar, weight};
use super::{Basis, Suggestion};

/// What follows from losses.
pub(super) const PARTIAL: &str = "The policies may lack what only those would have shown.";

/// Writes all of it as one file of manifests.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_yaml(suggestion: &Suggestion, out: &mut impl Write) -> io::Result<()> {
    write_basis(&suggestion.basis, out)?;
    for caveat in &suggestion.caveats {
        comment(out, &format!("Not exact: {caveat}."))?;
    }
    if suggestion.policies.is_empty() {
        comment(out, "There is nothing to suggest.")?;
    }
    for policy in &suggestion.policies {
        write_policy(policy, out)?;
    }
    write_rest(suggestion, out)
}

fn write_basis(basis: &Basis, out: &mut impl Write) -> io::Result<()> {
    let records = number(basis.records, "record");
    let connections = number(count(basis.connections), "kind");
    let span = basis.span;
    let span = span.map(|(first, last)| format!(", {first:.0} to {last:.0}"));
    let span = span.unwrap_or_default();
    let line = format!("Suggested from {records}{span}: {connections} of connections.");
    comment(out, &line)?;
    for (why, records) in &basis.passed_over {
        comment(
            out,
            &format!("{} not counted: {why}.", number(*records, "record")),
        )?;
    }
    let lost = &basis.lost;
    for (count, what, why) in [
        (lost.forgotten, "record", "older than what the daemon keeps"),
        (
            lost.missed,
            "record",
            "which the daemon no longer had when they were to be read",
        ),
        (
            lost.suppressed,
            "new flow",
            "that came too fast to be reported, since the daemon runs",
        ),
    ] {
        if count > 0 {
            comment(out, &format!("Lost: {}, {why}.", number(count, what)))?;
        }
    }
    if basis.missing > 0 {
        let missing = number(basis.missing, "number");
        let line =
            format!("{missing} missing between those of the records: filtered out, or lost.");
        comment(out, &line)?;
    }
    if basis.restarts > 0 {
        let runs = number(basis.restarts, "time");
        let line = format!("A daemon began anew {runs}: nobody knows what went between.");
        comment(out, &line)?;
    }
    if basis.is_partial() {
        comment(out, PARTIAL)?;
    }
    Ok(())
}

fn write_policy(policy: &Policy, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "---")?;
    comment(out, &policy.workload.to_string())?;
    for remark in &policy.remarks {
        comment(out, &format!("Note: {remark}."))?;
    }
    writeln!(
        out,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:"
    )?;
    writeln!(out, "  name: {}", scalar(&policy.name))?;
    let namespace = scalar(&policy.workload.namespace);
    writeln!(out, "  namespace: {namespace}\nspec:\n  podSelector:")?;
    write_selector(&policy.selector, "    ", out)?;
    writeln!(out, "  policyTypes:")?;
    let lists = [
        ("Ingress", "ingress", "from", &policy.ingress),
        ("Egress", "egress", "to", &policy.egress),
    ];
    for (name, ..) in lists.iter().filter(|(.., rules)| rules.is_some()) {
        writeln!(out, "  - {name}")?;
    }
    for (name, field, peers, rules) in lists {
        match rules.as_deref() {
            None => {}
            Some([]) => writeln!(out, "  # {name}: nothing was seen.")?,
            Some(rules) => {
                writeln!(out, "  {field}:")?;
                for rule in rules {
                    write_rule(rule, peers, out)?;
                }
            }
        }
    }
    Ok(())
}

fn write_rule(rule: &Rule, peers: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  # {}", weight(rule.weight))?;
    writeln!(out, "  - {peers}:")?;
    for peer in &rule.peers {
        write_peer(peer, out)?;
    }
    writeln!(out, "    ports:")?;
    for port in &rule.ports {
        let name = match &port.port {
            PortName::Number(number) => number.to_string(),
            PortName::Name(name) => scalar(name),
        };
        writeln!(out, "    - protocol: {}\n      port: {name}", port.protocol)?;
    }
    Ok(())
}

fn write_peer(peer: &Peer, out: &mut impl Write) -> io::Result<()> {
    match peer {
        Peer::Block { cidr, owner } => {
            write!(
                out,
                "    - ipBlock:\n        cidr: {}",
                scalar(&cidr.to_string())
            )?;
            match owner {
                Some(owner) => writeln!(out, " # {}", plain(owner)),
                None => writeln!(out),
            }
        }
        Peer::Pods {
            namespace: None,
            selector,
        } => {
            writeln!(out, "    - podSelector:")?;
            write_selector(selector, "        ", out)
        }
        Peer::Pods {
            namespace: Some(namespace),
            selector,
        } => {
            writeln!(out, "    - namespaceSelector:\n        matchLabels:")?;
            writeln!(
                out,
                "          {NAMESPACE_NAME_LABEL}: {}",
                scalar(namespace)
            )?;
            writeln!(out, "      podSelector:")?;
            write_selector(selector, "        ", out)
        }
    }
}

fn write_selector(selector: &Selector, indent: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{indent}matchLabels:")?;
    for (key, value) in &selector.labels {
        writeln!(out, "{indent}  {}: {}", scalar(key), scalar(value))?;
    }
    if !selector.without.is_empty() {
        writeln!(out, "{indent}matchExpressions:")?;
    }
    for key in &selector.without {
        let key = scalar(key);
        writeln!(
            out,
            "{indent}- key: {key}\n{indent}  operator: DoesNotExist"
        )?;
    }
    Ok(())
}

/// What no policy is about.
fn write_rest(suggestion: &Suggestion, out: &mut impl Write) -> io::Result<()> {
    if !suggestion.silent.is_empty() {
        let line = "No policy for these: nothing was recorded at their own pods, as pods without any \
                    policy make no record.";
        comment(out, line)?;
    }
    for workload in &suggestion.silent {
        comment(out, &format!("  {workload}"))?;
    }
    if suggestion.elsewhere > 0 {
        let workloads = number(count(suggestion.elsewhere), "workload");
        let line = format!("Nor for {workloads} with no pod on the nodes that made these records.");
        comment(out, &line)?;
    }
    if !suggestion.denied.is_empty() {
        comment(
            out,
            "Seen but denied, and not allowed by these policies on that account:",
        )?;
    }
    for (connection, seen) in &suggestion.denied {
        comment(out, &format!("  {}", denial(connection, seen)))?;
    }
    Ok(())
}

fn comment(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "# {}", plain(text))
}
