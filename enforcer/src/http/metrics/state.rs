//! What is in force, and what is not.

use super::super::encode::{Page, Type};
use super::super::numbers::Numbers;

pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.metric("enforcer_build_info", Type::Info, "The daemon's version.")
        .sample(&version, 1);
    endpoints(page, numbers);
    let help = "Links by whether they have their programs: pods' links that have them, and links that failed to get them.";
    page.gauge("enforcer_links", help)
        .by("state", &numbers.links);
    policies(page, numbers);
    node(page, numbers);
}

fn endpoints(page: &mut Page, numbers: &Numbers) {
    let help = "Pods of this node by how policies hold for them, and links whose pod is not known (pending).";
    page.gauge("enforcer_endpoints", help)
        .by("state", &numbers.endpoints);
    let help = "Pods of this node that policies isolate, by direction.";
    page.gauge("enforcer_endpoints_isolated", help)
        .by("direction", &numbers.isolated);
    let help =
        "Pods of this node that deny everything, because their policies do not fit into the maps.";
    page.gauge("enforcer_endpoints_unfit", help)
        .sample(&[], numbers.unfit);
}

fn policies(page: &mut Page, numbers: &Numbers) {
    let singles = [
        (
            "enforcer_policies",
            "Policies in the cluster.",
            numbers.policies,
        ),
        (
            "enforcer_policies_not_enforced",
            "Policies that do not hold for at least one pod of this node.",
            numbers.policies_not_enforced,
        ),
        (
            "enforcer_policies_refused",
            "Policies that cannot be compiled, for mistakes in them; an earlier good version stays in force.",
            numbers.policies_refused,
        ),
        (
            "enforcer_policy_sets",
            "Different sets of rules that apply to pods of this node.",
            numbers.policy_sets,
        ),
        (
            "enforcer_identities",
            "Classes of addresses that these tell apart.",
            numbers.identities,
        ),
        (
            "enforcer_revision",
            "Grows with every change of an object; begins with the microseconds since 1970.",
            numbers.revision,
        ),
    ];
    page.singles(Type::Gauge, singles);
}

fn node(page: &mut Page, numbers: &Numbers) {
    let singles = [
        (
            "enforcer_source_synced",
            "1 once everything that matters was read completely.",
            numbers.synced.into(),
        ),
        (
            "enforcer_in_force",
            "1 while everything that was read is in force in the kernel.",
            numbers.in_force.into(),
        ),
        (
            "enforcer_writes_failing",
            "1 while a map cannot be written, so that isolated pods deny everything.",
            numbers.writes_failing.into(),
        ),
        (
            "enforcer_problems",
            "Objects with errors, and faults of the node; `enforcer status` shows them.",
            numbers.problems,
        ),
        (
            "enforcer_audit",
            "1 in audit mode, where what policies deny passes and is counted.",
            numbers.audit.into(),
        ),
        (
            "enforcer_other_engines",
            "Other policy engines of this node.",
            numbers.other_engines,
        ),
        (
            "enforcer_holds",
            "Starts of pods that wait, by the CNI plugin, until their policies are in force.",
            numbers.holds,
        ),
    ];
    page.singles(Type::Gauge, singles);
    let help = "Connections to the API port that were refused, because they were not root's.";
    page.counter("enforcer_clients_refused_total", help)
        .sample(&[], numbers.refused_clients);
}
