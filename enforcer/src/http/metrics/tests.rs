//! The page read back by a strict reader of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::api::status::Fill;

/// A sample: its metric's name, its labels, and its value.
type Sample = (String, BTreeMap<String, String>, f64);

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Labels of a sample: `a="b",c="d"`.
fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a label has a value");
        assert!(is_name(name), "label {name}");
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect("a value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escape ends").1 {
                    'n' => value.push('\n'),
                    other @ ('\\' | '"') => value.push(other),
                    other => panic!("no escape: {other}"),
                },
                (_, other) => value.push(other),
            }
        };
        assert_eq!(labels.insert(name.to_owned(), value), None, "{name} twice");
        let rest = &rest[end + 1..];
        text = rest.strip_prefix(',').unwrap_or(rest);
        assert!(rest.is_empty() || !text.is_empty(), "a comma at the end");
    }
    labels
}

/// All samples, in a page that keeps to the format.
fn read(page: &str) -> Vec<Sample> {
    let mut types = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    let mut samples = Vec::new();
    assert!(page.ends_with('\n'));
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !words.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "{name} is told twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(helped.contains(name), "{name} has no help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none());
            name.clone_into(&mut current);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => (name, labels(rest.strip_suffix('}').unwrap())),
                None => (series, BTreeMap::new()),
            };
            assert!(is_name(name), "{line}");
            let suffix = name.strip_prefix(&current).expect(line);
            let histogram = types[&current] == "histogram";
            let suffixes: &[&str] = if histogram {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            assert!(suffixes.contains(&suffix), "{line}");
            samples.push((name.to_owned(), labels, value));
        }
    }
    let unique: BTreeSet<_> = samples
        .iter()
        .map(|(name, labels, _)| (name, labels))
        .collect();
    assert_eq!(unique.len(), samples.len(), "a series stands there twice");
    samples
}

fn numbers() -> Numbers {
    let mut numbers = Numbers {
        endpoints: [("enforced", 3), ("not_enforced", 1)].into(),
        policies: 7,
        policies_not_enforced: 1,
        maps: [(
            "PORTS".to_owned(),
            Fill {
                used: 2,
                capacity: 9,
            },
        )]
        .into(),
        packets: [("ingress/denied".to_owned(), 5)].into(),
        events_suppressed: [("denied".to_owned(), 4)].into(),
        denials_unrecorded: [("ingress/policy-denied".to_owned(), 12)].into(),
        displaced_flows: Some(11),
        synced: true,
        in_force: false,
        problems: 2,
        watch_restarts: [("pods", 3)].into(),
        read_backs: 6,
        drift: [("VERDICTS", 8), ("PORTS", 0)].into(),
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

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let found = samples
        .iter()
        .find(|sample| sample.0 == name && sample.1 == labels);
    found.unwrap_or_else(|| panic!("no {name} {labels:?}")).2
}

#[test]
fn the_page_keeps_to_the_format_and_says_the_numbers() {
    let samples = read(&page(&numbers(), &Counters::default()));
    let expect = |name: &str, labels: &[(&str, &str)], expected: f64| {
        let found = value(&samples, name, labels);
        assert!(
            (found - expected).abs() < 1e-9,
            "{name} {labels:?} is {found}"
        );
    };
    expect(
        "enforcer_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.,
    );
    expect("enforcer_endpoints", &[("state", "not_enforced")], 1.);
    expect("enforcer_policies", &[], 7.);
    expect("enforcer_policies_not_enforced", &[], 1.);
    expect("enforcer_map_entries", &[("map", "PORTS")], 2.);
    expect("enforcer_map_capacity", &[("map", "PORTS")], 9.);
    let denied = [("direction", "ingress"), ("reason", "denied")];
    expect("enforcer_packets_total", &denied, 5.);
    expect(
        "enforcer_events_suppressed_total",
        &[("kind", "denied")],
        4.,
    );
    expect("enforcer_drift_repaired_total", &[("map", "VERDICTS")], 8.);
    expect("enforcer_drift_repaired_total", &[("map", "PORTS")], 0.);
    expect("enforcer_flows_displaced_total", &[], 11.);
    expect("enforcer_read_backs_total", &[], 6.);
    expect("enforcer_watch_restarts_total", &[("kind", "pods")], 3.);
    expect("enforcer_source_synced", &[], 1.);
    expect("enforcer_in_force", &[], 0.);
    expect("enforcer_problems", &[], 2.);
    expect("enforcer_compiles_total", &[], 2.);
    expect("enforcer_reports_written_total", &[], 0.);
}

#[test]
fn the_buckets_of_a_histogram_grow_to_its_count() {
    let samples = read(&page(&numbers(), &Counters::default()));
    let buckets = samples
        .iter()
        .filter(|(name, ..)| name == "enforcer_apply_seconds_bucket");
    let counts: Vec<f64> = buckets.map(|(_, _, count)| *count).collect();
    assert_eq!(counts, [0., 1., 1., 1., 2., 2., 2., 2., 2., 2., 3.]);
    let count = value(&samples, "enforcer_apply_seconds_count", &[]);
    let sum = value(&samples, "enforcer_apply_seconds_sum", &[]);
    assert!((count - 3.).abs() < 1e-9 && (sum - 200.022).abs() < 1e-9);
}
