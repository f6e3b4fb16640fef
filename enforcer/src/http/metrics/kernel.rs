//! What the programs count, and what is in the maps.

use enforcer_common::Reason;
use enforcer_common::abi::{Counter, Direction};
use enforcer_flows::Verdict;
use enforcer_flows::record::direction_name;

use super::super::encode::{Metric, Page};
use super::super::numbers::{Numbers, is_denial};

pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    packets(page, numbers);
    maps(page, numbers);
    let help = "Connections that gave way to others in a full table, and are judged again at their next packet.";
    let mut displaced = page.counter("enforcer_flows_displaced_total", help);
    if let Some(count) = numbers.displaced_flows {
        displaced.sample(&[], count);
    }
    let help = "New flows and denials of which no record tells, because there were too many.";
    page.counter("enforcer_events_suppressed_total", help)
        .by("kind", &numbers.events_suppressed);
}

fn packets(page: &mut Page, numbers: &Numbers) {
    let help = "Packets by direction, seen from the pod, and what became of them.";
    let metric = page.counter("enforcer_packets_total", help);
    each(metric, numbers, |counter| counter.packets);
    let help = "Their bytes, link-layer headers included.";
    let metric = page.counter("enforcer_packet_bytes_total", help);
    each(metric, numbers, |counter| counter.bytes);
    let help = "Denied packets of which no flow record tells, and packets that audit mode let pass, likewise.";
    let mut metric = page.counter("enforcer_denials_unrecorded_total", help);
    for ((direction, reason), count) in &numbers.denials_unrecorded {
        metric.sample(&labels(*direction, *reason), count);
    }
}

fn each(mut metric: Metric<'_>, numbers: &Numbers, value: impl Fn(&Counter) -> u64) {
    for ((direction, reason), counter) in &numbers.packets {
        let labels = labels(*direction, *reason);
        metric.sample(&labels, value(counter));
    }
}

fn labels(direction: Direction, reason: Reason) -> [(&'static str, &'static str); 3] {
    let verdict = match reason {
        Reason::AuditDenied => Verdict::Audit,
        _ if is_denial(reason) => Verdict::Denied,
        _ => Verdict::Allowed,
    };
    [
        ("direction", direction_name(direction)),
        ("verdict", verdict.name()),
        ("reason", reason.name()),
    ]
}

fn maps(page: &mut Page, numbers: &Numbers) {
    let maps = || numbers.maps.iter();
    page.gauge("enforcer_map_entries", "Entries in use, by map.")
        .by("map", maps().map(|(map, fill)| (map, fill.used)));
    page.gauge("enforcer_map_capacity", "Entries that fit, by map.")
        .by("map", maps().map(|(map, fill)| (map, fill.capacity)));
    let help = "Map entries that were not as written, and were written again, by map.";
    page.counter("enforcer_drift_repaired_total", help)
        .by("map", &numbers.drift);
    let help = "How often all maps were compared with what was written.";
    page.counter("enforcer_read_backs_total", help)
        .sample(&[], numbers.read_backs);
}
