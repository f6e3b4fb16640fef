//! What flow records come to.

use enforcer_common::abi::Direction;
use enforcer_flows::record::direction_name;
use enforcer_flows::{Kind, Verdict};

use super::super::encode::{Metric, Page, Type};
use super::super::numbers::Numbers;
use crate::export::{Count, Counters};
use crate::flow::tally::{ByPolicy, Counts};

/// The policies that have no series of their own. A name of a namespace is never empty, so nobody's policy is this.
const OTHERS: (&str, &str) = ("", "other");

pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    let help = "Flow records by kind, and whose policy was asked.";
    let mut records = page.counter("enforcer_flow_records_total", help);
    for kind in Kind::ALL {
        for direction in Direction::ALL {
            let count = numbers.records.get(&(kind, direction)).copied();
            let labels = [
                ("kind", kind.name()),
                ("direction", direction_name(direction)),
            ];
            records.sample(&labels, count.unwrap_or_default());
        }
    }
    page.gauge("enforcer_flow_records_kept", "Flow records that are kept.")
        .sample(&[], numbers.records_kept);
    let help = "Packets in flow records of denials, counted at each policy that isolates the pod.";
    let metric = page.counter("enforcer_policy_denied_packets_total", help);
    by_policy(metric, &numbers.by_policy, true);
    let help = "New connections in flow records, counted at the policy whose rule allowed them.";
    let metric = page.counter("enforcer_policy_allowed_connections_total", help);
    by_policy(metric, &numbers.by_policy, false);
    export(page, &numbers.export);
}

fn export(page: &mut Page, counters: &Counters) {
    let singles = [
        (
            "enforcer_export_records_total",
            "Flow records that the export wrote.",
            Count::Records,
        ),
        (
            "enforcer_export_missed_records_total",
            "Flow records that were gone before the export looked at them.",
            Count::Missed,
        ),
        (
            "enforcer_export_bytes_total",
            "Bytes that the export wrote.",
            Count::Bytes,
        ),
        (
            "enforcer_export_rotations_total",
            "Files of the export that were full and made room for another.",
            Count::Rotations,
        ),
        (
            "enforcer_export_failures_total",
            "Attempts to write the export that failed.",
            Count::Failures,
        ),
    ];
    let singles = singles.map(|(name, help, count)| (name, help, counters.get(count)));
    page.singles(Type::Counter, singles);
    let help = "1 while the export cannot be written; what it misses meanwhile is counted.";
    page.gauge("enforcer_export_failing", help)
        .sample(&[], counters.get(Count::Failing));
}

fn by_policy(mut metric: Metric<'_>, told: &ByPolicy, denials: bool) {
    let names = told.each.iter().map(|(key, counts)| {
        let namespace = key.namespace.as_deref().unwrap_or_default();
        ((namespace, &*key.name), counts)
    });
    for (name, counts) in names.chain([(OTHERS, &told.others)]) {
        one_policy(&mut metric, name, counts, denials);
    }
}

fn one_policy(
    metric: &mut Metric<'_>,
    (namespace, policy): (&str, &str),
    counts: &Counts,
    denials: bool,
) {
    for ((direction, verdict), count) in counts {
        let is_denial = *verdict != Verdict::Allowed;
        if is_denial != denials {
            continue;
        }
        let labels = [
            ("namespace", namespace),
            ("policy", policy),
            ("direction", direction_name(*direction)),
            ("verdict", verdict.name()),
        ];
        // All that are allowed have one verdict.
        let said = if denials { &labels[..] } else { &labels[..3] };
        metric.sample(said, count);
    }
}
