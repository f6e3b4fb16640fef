//! The page in both forms, read back by a strict reader of its own; and `docs/metrics.md`.

mod document;
mod read;

use std::time::Duration;

use enforcer_common::Reason;
use enforcer_common::abi::{Counter, Direction};
use enforcer_flows::{Kind, Verdict};
use enforcer_policy::rule::{PolicyKey, PolicyKind};
use read::{Sample, read};

use super::*;
use crate::api::status::Fill;
use crate::daemon::measure::{BOUNDS, FINE};
use crate::flow::tally::{ByPolicy, Counts};
use crate::http::numbers::{Watch, is_denial};

/// Policies with series of their own.
const POLICIES: usize = 3;

/// As many series as there can be, all of whose numbers differ from 0.
fn numbers() -> Numbers {
    let kinds = [
        "endpointslices",
        "namespaces",
        "networkpolicies",
        "nodes",
        "pods",
        "services",
    ];
    let watch = Watch {
        behind: 1.5,
        objects: 40,
        restarts: 3,
    };
    let fill = Fill {
        used: 2,
        capacity: 9,
    };
    let maps = ["ADDRESSES", "CIDRS", "PORTS", "VERDICTS"];
    let counter = Counter {
        packets: 5,
        bytes: 370,
    };
    let drift = ["ADDRESSES", "CIDRS", "ENDPOINTS", "PORTS", "VERDICTS"];
    let mut numbers = Numbers {
        started: "2026-11-21T08:00:00Z".parse().unwrap(),
        endpoints: ["enforced", "partly", "not_enforced", "pending"]
            .map(|state| (state, 3))
            .into(),
        isolated: [("egress", 1), ("ingress", 2)].into(),
        unfit: 1,
        links: [("attached", 4), ("failed", 1)].into(),
        policies: 7,
        policies_not_enforced: 1,
        policies_refused: 2,
        revision: 1_763_700_000_000_007,
        maps: maps.map(|map| (map.to_owned(), fill)).into(),
        packets: of_both(|direction| {
            Reason::ALL
                .iter()
                .map(move |one| ((direction, *one), counter))
        }),
        denials_unrecorded: of_both(|direction| {
            let denials = Reason::ALL.iter().filter(|reason| is_denial(**reason));
            denials.map(move |reason| ((direction, *reason), 2))
        }),
        events_suppressed: ["allowed", "denied", "audit"]
            .map(|kind| (kind.to_owned(), 4))
            .into(),
        records: of_both(|direction| Kind::ALL.map(|kind| ((kind, direction), 6))),
        records_kept: 12,
        by_policy: by_policy(),
        displaced_flows: Some(11),
        synced: true,
        in_force: false,
        problems: 2,
        watches: kinds.map(|kind| (kind, watch)).into(),
        read_backs: 6,
        drift: drift.map(|map| (map, 8)).into(),
        ..Numbers::default()
    };
    numbers.measures.compiles = 2;
    let latency = &mut numbers.measures.latency;
    latency.classes[1] = 1;
    latency.classes[4] = 1;
    latency.classes[BOUNDS.len()] = 1;
    latency.total = Duration::from_millis(200_022);
    numbers
}

fn of_both<T, I: IntoIterator<Item = T>, C: FromIterator<T>>(each: impl Fn(Direction) -> I) -> C {
    Direction::ALL.into_iter().flat_map(each).collect()
}

fn by_policy() -> ByPolicy {
    let counts: Counts = of_both(|direction| Verdict::ALL.map(|verdict| ((direction, verdict), 9)));
    let name = |number: usize| PolicyKey {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some("prod".into()),
        name: format!("policy-{number}").as_str().into(),
    };
    let each = (0..POLICIES).map(|number| (name(number), counts.clone()));
    ByPolicy {
        each: each.collect(),
        others: counts,
    }
}

fn pages(numbers: &Numbers) -> [Vec<Sample>; 2] {
    [Form::Text, Form::OpenMetrics]
        .map(|form| read(form, &page(form, numbers, &Counters::default())))
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let found = samples
        .iter()
        .find(|sample| sample.name == name && sample.labels == labels);
    found
        .unwrap_or_else(|| panic!("no {name} {labels:?}"))
        .value
}

/// A sample: its name, its labels, its value.
type Expected = (&'static str, &'static [(&'static str, &'static str)], f64);

#[test]
fn the_page_keeps_to_each_form_and_says_the_numbers() {
    let expected: [Expected; 23] = [
        (
            "enforcer_build_info",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1.,
        ),
        ("enforcer_endpoints", &[("state", "not_enforced")], 3.),
        (
            "enforcer_endpoints_isolated",
            &[("direction", "ingress")],
            2.,
        ),
        ("enforcer_endpoints_unfit", &[], 1.),
        ("enforcer_links", &[("state", "failed")], 1.),
        ("enforcer_policies", &[], 7.),
        ("enforcer_policies_not_enforced", &[], 1.),
        ("enforcer_policies_refused", &[], 2.),
        ("enforcer_revision", &[], 1_763_700_000_000_007.),
        ("enforcer_map_entries", &[("map", "PORTS")], 2.),
        ("enforcer_map_capacity", &[("map", "PORTS")], 9.),
        (
            "enforcer_events_suppressed_total",
            &[("kind", "denied")],
            4.,
        ),
        ("enforcer_drift_repaired_total", &[("map", "VERDICTS")], 8.),
        ("enforcer_flows_displaced_total", &[], 11.),
        ("enforcer_flow_records_kept", &[], 12.),
        ("enforcer_read_backs_total", &[], 6.),
        ("enforcer_watch_restarts_total", &[("kind", "pods")], 3.),
        ("enforcer_watch_behind_seconds", &[("kind", "pods")], 1.5),
        ("enforcer_source_synced", &[], 1.),
        ("enforcer_in_force", &[], 0.),
        ("enforcer_problems", &[], 2.),
        ("enforcer_compiles_total", &[], 2.),
        ("process_start_time_seconds", &[], 1_795_248_000.),
    ];
    for samples in pages(&numbers()) {
        for (name, labels, expected) in expected {
            let found = value(&samples, name, labels);
            assert!(
                (found - expected).abs() < 1e-9,
                "{name} {labels:?} is {found}"
            );
        }
    }
}

#[test]
fn packets_have_direction_verdict_and_reason() {
    for samples in pages(&numbers()) {
        for (verdict, reason) in [
            ("denied", "policy-denied"),
            ("audit", "audit-denied"),
            ("allowed", "established"),
        ] {
            let labels = [
                ("direction", "ingress"),
                ("verdict", verdict),
                ("reason", reason),
            ];
            let packets = value(&samples, "enforcer_packets_total", &labels);
            let bytes = value(&samples, "enforcer_packet_bytes_total", &labels);
            assert!((packets - 5.).abs() < 1e-9 && (bytes - 370.).abs() < 1e-9);
        }
    }
}

#[test]
fn policies_without_series_of_their_own_are_other() {
    for samples in pages(&numbers()) {
        for (namespace, policy) in [("prod", "policy-0"), ("", "other")] {
            let mut labels = vec![
                ("namespace", namespace),
                ("policy", policy),
                ("direction", "egress"),
            ];
            let allowed = "enforcer_policy_allowed_connections_total";
            assert!((value(&samples, allowed, &labels) - 9.).abs() < 1e-9);
            labels.push(("verdict", "audit"));
            let denied = "enforcer_policy_denied_packets_total";
            assert!((value(&samples, denied, &labels) - 9.).abs() < 1e-9);
        }
    }
}

#[test]
fn both_forms_say_the_same_and_name_every_metric_before_anything_happens() {
    let [text, open] = pages(&numbers());
    let series = |samples: &[Sample]| -> Vec<_> {
        let stable = samples.iter();
        let stable = stable.filter(|sample| !sample.name.starts_with("process_"));
        stable
            .map(|sample| {
                (
                    sample.name.clone(),
                    sample.labels.clone(),
                    sample.value.to_bits(),
                )
            })
            .collect()
    };
    assert_eq!(series(&text), series(&open));
    let names = |numbers: &Numbers| -> Vec<String> {
        let page = page(Form::Text, numbers, &Counters::default());
        let lines = page.lines().filter(|line| line.starts_with("# TYPE"));
        lines.map(ToOwned::to_owned).collect()
    };
    assert_eq!(names(&Numbers::default()), names(&numbers()));
}

#[test]
fn the_buckets_of_a_histogram_grow_to_its_count() {
    for samples in pages(&numbers()) {
        let buckets = samples
            .iter()
            .filter(|sample| sample.name == "enforcer_apply_seconds_bucket");
        let counts: Vec<f64> = buckets.map(|sample| sample.value).collect();
        assert_eq!(counts, [0., 1., 1., 1., 2., 2., 2., 2., 2., 2., 3.]);
        let count = value(&samples, "enforcer_apply_seconds_count", &[]);
        let sum = value(&samples, "enforcer_apply_seconds_sum", &[]);
        assert!((count - 3.).abs() < 1e-9 && (sum - 200.022).abs() < 1e-9);
    }
    let mut fine = FINE.to_vec();
    fine.sort_unstable();
    assert_eq!(fine, FINE);
}
