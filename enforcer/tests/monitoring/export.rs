//! Exported records, as the `OpenTelemetry` Collector reads them.

use std::fs;

use enforcer::export::{Counters, Format, Options, Target, filter, start};
use enforcer::flow::store::FlowStore;
use enforcer_flows::{Limits, Record};
use serde_json::{Value, json};

use crate::promtool::{run, words};

/// Records with everything that a record can have.
fn records() -> Vec<Record> {
    let side = |port: u16| {
        json!({"address": "10.244.0.2", "port": port, "pod": "default/web", "node": "n1",
            "workload": "Deployment/web", "labels": {"app": "a \"b\" \n \u{1f980}"}, "identity": 7})
    };
    let lacks = ["peer has app=web, rule wants app=api"];
    let policies = ["prod/db", "prod/deny"];
    let all = [
        json!({"kind": "denied", "reason": "policy-denied", "direction": "ingress",
            "hook": "ingress", "endpoint": "prod/db", "protocol": "TCP", "flags": "S.",
            "source": side(40000), "destination": side(80), "policies": policies,
            "nearest": {"policy": "prod/db", "rule": "ingress[0]", "lacks": lacks},
            "count": 18_446_744_073_709_551_u64, "length": 74}),
        json!({"kind": "closed", "reason": "allowed", "direction": "egress", "hook": "egress",
            "protocol": "ICMPv6", "icmp": {"type": 128, "code": 0},
            "source": {"address": "fd00::1"},
            "destination": {"address": "fd00::2", "service": "prod/db"}, "policies": [],
            "allowed_by": {"policy": "prod/db", "rule": "egress[0]"}, "count": 1, "length": 1,
            "total": {"packets": 2, "bytes": 128, "duration_ns": 5}}),
        json!({"kind": "audited", "reason": "audit-denied", "direction": "egress",
            "hook": "ingress", "protocol": "ethertype 0x88cc", "source": {}, "destination": {},
            "policies": [], "count": 1, "length": 60}),
    ];
    let all = all.into_iter().map(|mut record| {
        record["sequence"] = json!(0);
        record["time"] = json!("2026-11-21T08:00:01.000000009Z");
        record["node"] = json!("n2");
        serde_json::from_value(record).unwrap()
    });
    all.collect()
}

/// The lines that are exported of these.
async fn exported(records: Vec<Record>, keep: usize) -> String {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("absent/records.json");
    let options = Options {
        target: Target::File(path.clone()),
        format: Format::Otlp,
        filter: filter(["kind=not:opened".parse().unwrap()]),
        max_size: 1 << 20,
        max_files: 1,
    };
    let store = FlowStore::new(Limits {
        records: keep,
        bytes: usize::MAX,
    });
    let counters = Counters::default();
    let export = start(&options, &store, Some("n2".to_owned()), counters.clone()).unwrap();
    // As long as there is no folder, nothing is looked at.
    while counters.get(enforcer::export::Count::Failing) == 0 {
        tokio::task::yield_now().await;
    }
    store.extend(records);
    fs::create_dir(path.parent().unwrap()).unwrap();
    while counters.get(enforcer::export::Count::Records) < keep as u64 {
        tokio::task::yield_now().await;
    }
    export.stop().await;
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn the_collector_understands_every_member_of_every_record() {
    let mut records = records();
    let count = records.len();
    // One more than is kept.
    records.insert(0, records[0].clone());
    let text = exported(records, count).await;
    assert_eq!(text.lines().count(), count + 1);
    assert!(text.contains("enforcer.flow.missed"), "{text}");
    let output = run("otlp", &[], &text);
    assert!(output.status.success(), "{}", words(&output));
    let understood = String::from_utf8(output.stdout).unwrap();
    assert_eq!(understood.lines().count(), count + 1);
    for (line, understood) in text.lines().zip(understood.lines()) {
        let [line, understood]: [Value; 2] =
            [line, understood].map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(understood, line);
    }
}

#[test]
fn what_is_no_logs_data_is_not_understood() {
    let right = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1"}]}]}]}"#;
    let read = |line: &str| run("otlp", &[], line);
    assert!(words(&read(right)).contains("timeUnixNano"));
    let wrong = right.replace("timeUnixNano", "time_unix_nanos");
    assert!(!words(&read(&wrong)).contains("time_unix_nanos"));
    assert!(!read("{\"resourceLogs\": 1}").status.success());
}
