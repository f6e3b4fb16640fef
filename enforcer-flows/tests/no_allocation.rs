//! Filters are asked of every record, up to hundreds of thousands in a second: asking takes no memory.
//!
//! One test alone, because it looks at the memory of the whole process.

use enforcer_flows::{Filter, Record, Term, What};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const RECORD: &str = r#"{"sequence": 1, "time": "2026-11-21T08:00:00Z", "node": "n2",
    "kind": "denied", "reason": "policy-denied", "direction": "ingress", "hook": "ingress",
    "endpoint": "prod/db", "protocol": "TCP", "count": 1, "length": 74,
    "source": {"address": "10.244.0.2", "port": 40000, "pod": "default/web", "node": "n1",
        "workload": "Deployment/web", "labels": {"app": "web", "tier": "front"}, "identity": 7},
    "destination": {"address": "10.244.0.3", "port": 80, "pod": "prod/db", "identity": 9},
    "policies": ["prod/db", "prod/other"]}"#;

/// Of each kind one, all of which hold.
const TERMS: [&str; 15] = [
    "namespace=not:x*",
    "pod=*/*b",
    "workload=from:*/w?b",
    "label=app in (a,b,web),tier notin (x,y),!none",
    "service=not:*/*",
    "ip=to:10.0.0.0/8",
    "port=to:79-81",
    "identity=9",
    "node=n*2",
    "protocol=tcp",
    "verdict=denied",
    "kind=not:closed",
    "reason=policy-denied",
    "policy=prod/oth*",
    "direction=ingress",
];

#[test]
fn asking_a_filter_takes_no_memory() {
    let record: Record = serde_json::from_str(RECORD).unwrap();
    let terms: Vec<Term> = TERMS.iter().map(|text| text.parse().unwrap()).collect();
    assert!(
        What::ALL
            .iter()
            .all(|what| terms.iter().any(|term| term.what() == *what))
    );
    let filters: Vec<Filter> = terms
        .iter()
        .map(|term| Filter::from_iter([term.clone()]))
        .chain([Filter::from_iter(terms.clone())])
        .collect();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let held = filters.iter().all(|filter| filter.matches(&record));
    let peak = MEMORY.peak_usage();
    assert!(held);
    assert_eq!(peak, before);
    // What is measured can be seen.
    let some = vec![0_u8; 1000];
    assert!(MEMORY.peak_usage() >= before + some.len());
}
