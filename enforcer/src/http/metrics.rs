//! Numbers as metrics.

use std::collections::BTreeMap;

use super::encode::{Page, Type};
use super::numbers::Numbers;
use crate::daemon::measure::{BOUNDS, Histogram};
use crate::report::{Count, Counters};

/// The page of metrics.
pub(super) fn page(numbers: &Numbers, reports: &Counters) -> String {
    let mut page = Page::default();
    state(&mut page, numbers);
    kernel(&mut page, numbers);
    work(&mut page, numbers);
    reporting(&mut page, reports);
    page.into_text()
}

fn state(page: &mut Page, numbers: &Numbers) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.metric(
        "enforcer_build_info",
        Type::Gauge,
        "The daemon's version; always 1.",
    )
    .sample(&version, 1);
    let mut endpoints = page.metric(
        "enforcer_endpoints",
        Type::Gauge,
        "Pods of this node by how policies hold for them, and links whose pod is not known (pending).",
    );
    for (state, count) in &numbers.endpoints {
        endpoints.sample(&[("state", state)], count);
    }
    let gauges = [
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
            "enforcer_problems",
            "Objects with errors, and faults of the node; `enforcer status` shows them.",
            numbers.problems,
        ),
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
    ];
    for (name, help, value) in gauges {
        page.metric(name, Type::Gauge, help).sample(&[], value);
    }
}

fn kernel(page: &mut Page, numbers: &Numbers) {
    let mut entries = page.metric(
        "enforcer_map_entries",
        Type::Gauge,
        "Entries in use, by map.",
    );
    for (map, fill) in &numbers.maps {
        entries.sample(&[("map", map)], fill.used);
    }
    let mut capacity = page.metric(
        "enforcer_map_capacity",
        Type::Gauge,
        "Entries that fit, by map.",
    );
    for (map, fill) in &numbers.maps {
        capacity.sample(&[("map", map)], fill.capacity);
    }
    let by_reason = [
        (
            "enforcer_packets_total",
            "Packets by direction, seen from the pod, and what became of them.",
            &numbers.packets,
        ),
        (
            "enforcer_denials_unrecorded_total",
            "Denied packets of which no flow record tells, and packets that audit mode let pass, likewise.",
            &numbers.denials_unrecorded,
        ),
    ];
    for (name, help, counts) in by_reason {
        let mut packets = page.metric(name, Type::Counter, help);
        for (name, count) in counts {
            let (direction, reason) = name.split_once('/').unwrap_or(("", name));
            packets.sample(&[("direction", direction), ("reason", reason)], count);
        }
    }
    let mut drift = page.metric(
        "enforcer_drift_repaired_total",
        Type::Counter,
        "Map entries that were not as written, and were written again, by map.",
    );
    for (map, count) in &numbers.drift {
        drift.sample(&[("map", map)], count);
    }
    page.metric(
        "enforcer_read_backs_total",
        Type::Counter,
        "How often all maps were compared with what was written.",
    )
    .sample(&[], numbers.read_backs);
    if let Some(count) = numbers.displaced_flows {
        page.metric(
            "enforcer_flows_displaced_total",
            Type::Counter,
            "Connections that gave way to others in a full table, and are judged again at their next packet.",
        )
        .sample(&[], count);
    }
    by_kind(
        page,
        "enforcer_events_suppressed_total",
        "New flows and denials of which no record tells, because there were too many.",
        &numbers.events_suppressed,
    );
}

fn work(page: &mut Page, numbers: &Numbers) {
    let measures = &numbers.measures;
    let counters = [
        (
            "enforcer_change_batches_total",
            "Batches of changed objects.",
            measures.batches,
        ),
        (
            "enforcer_changes_total",
            "Changed objects in them.",
            measures.changes,
        ),
        (
            "enforcer_compiles_total",
            "Batches that policies may depend on, which were compiled.",
            measures.compiles,
        ),
        (
            "enforcer_map_writes_total",
            "Map writes that followed.",
            measures.writes,
        ),
    ];
    for (name, help, value) in counters {
        page.metric(name, Type::Counter, help).sample(&[], value);
    }
    let mut restarts = page.metric(
        "enforcer_watch_restarts_total",
        Type::Counter,
        "Watches of the API server that were begun again, by kind; it ends each after some minutes.",
    );
    for (kind, count) in &numbers.watch_restarts {
        restarts.sample(&[("kind", kind)], count);
    }
    let help = "From the arrival of a batch's oldest change to its last map write.";
    histogram(page, "enforcer_apply_seconds", help, &measures.latency);
}

fn reporting(page: &mut Page, reports: &Counters) {
    let counters = [
        (
            "enforcer_reports_written_total",
            "PolicyEnforcement objects written.",
            Count::Written,
        ),
        (
            "enforcer_reports_deleted_total",
            "This node's PolicyEnforcement objects deleted.",
            Count::Deleted,
        ),
        (
            "enforcer_reports_swept_total",
            "PolicyEnforcement objects deleted that nodes left behind.",
            Count::Swept,
        ),
        (
            "enforcer_report_events_total",
            "Kubernetes Events made.",
            Count::Events,
        ),
        (
            "enforcer_report_failures_total",
            "Requests about reports and Events that the API server refused or did not answer.",
            Count::Failures,
        ),
    ];
    for (name, help, count) in counters {
        page.metric(name, Type::Counter, help)
            .sample(&[], reports.get(count));
    }
    let help = "1 while the API server takes no reports; `enforcer status` says why.";
    page.metric("enforcer_reports_failing", Type::Gauge, help)
        .sample(&[], u8::from(reports.trouble().is_some()));
}

fn by_kind(page: &mut Page, name: &'static str, help: &str, counts: &BTreeMap<String, u64>) {
    let mut metric = page.metric(name, Type::Counter, help);
    for (kind, count) in counts {
        metric.sample(&[("kind", kind)], count);
    }
}

fn histogram(page: &mut Page, name: &'static str, help: &str, histogram: &Histogram) {
    let mut metric = page.metric(name, Type::Histogram, help);
    let mut count = 0;
    for (bound, class) in BOUNDS.iter().zip(histogram.classes) {
        count += class;
        let bound = bound.as_secs_f64().to_string();
        metric.part("_bucket", &[("le", &bound)], count);
    }
    metric.part("_bucket", &[("le", "+Inf")], histogram.count());
    metric.part("_sum", &[], histogram.total.as_secs_f64());
    metric.part("_count", &[], histogram.count());
}

#[cfg(test)]
mod tests;
