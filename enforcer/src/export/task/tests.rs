use std::fs;
use std::path::{Path, PathBuf};

use enforcer_flows::{Limits, Record};
use serde_json::{Value, json};

use super::*;
use crate::export::options::{Target, filter};

/// Enough for whatever works, on a busy machine too.
const LONG: Duration = Duration::from_secs(60);

fn record(kind: &str, port: u64) -> Record {
    let value = json!({"sequence": 0, "time": "2026-11-21T08:00:00Z", "kind": kind,
        "reason": "policy-denied", "direction": "ingress", "hook": "ingress",
        "protocol": "TCP", "source": {"address": "10.0.0.1", "port": port},
        "destination": {}, "policies": [], "count": 1, "length": 74});
    serde_json::from_value(value).unwrap()
}

fn store(records: usize) -> FlowStore {
    FlowStore::new(Limits {
        records,
        bytes: usize::MAX,
    })
}

fn begin(store: &FlowStore, path: PathBuf, counters: &Counters) -> Export {
    let options = Options {
        target: Target::File(path),
        format: Format::Json,
        filter: filter([]),
        max_size: 1 << 20,
        max_files: 1,
    };
    start(&options, store, Some("n1".to_owned()), counters.clone()).unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(LONG, waiting).await.is_ok(), "never: {what}");
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_denial_is_a_line_as_flows_print_it_and_the_end_waits_for_the_last() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("denials.json");
    let (store, counters) = (store(1000), Counters::default());
    let export = begin(&store, path.clone(), &counters);
    store.extend([
        record("denied", 1),
        record("opened", 2),
        record("audited", 3),
    ]);
    until("two records", || counters.get(Count::Records) == 2).await;
    store.extend((4..400).map(|port| record("denied", port)));
    export.stop().await;
    let lines = lines(&path);
    let ports: Vec<_> = lines
        .iter()
        .map(|line| line["source"]["port"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = [1, 3].into_iter().chain(4..400).collect();
    assert_eq!(ports, expected);
    let first: Record = serde_json::from_value(lines[0].clone()).unwrap();
    assert_eq!(serde_json::to_value(first).unwrap(), lines[0]);
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!(counters.get(Count::Bytes), size);
    assert_eq!(counters.get(Count::Missed), 0);
}

#[tokio::test]
async fn what_is_gone_before_it_can_be_written_is_counted_exactly_and_told_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("absent/denials.json");
    let (store, counters) = (store(4), Counters::default());
    let export = begin(&store, path.clone(), &counters);
    until("a failure", || counters.get(Count::Failing) == 1).await;
    store.extend((0..10).map(|port| record("denied", port)));
    fs::create_dir(path.parent().unwrap()).unwrap();
    until("the records that are left", || {
        counters.get(Count::Records) == 4
    })
    .await;
    export.stop().await;
    assert_eq!(counters.get(Count::Missed), 6);
    assert_eq!(counters.get(Count::Failing), 0);
    assert!(counters.get(Count::Failures) > 0);
    let lines = lines(&path);
    assert_eq!(
        (&lines[0]["missed"], &lines[0]["node"]),
        (&json!(6), &json!("n1"))
    );
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[1]["source"]["port"], 6);
}

#[tokio::test]
async fn a_disk_that_stays_full_holds_up_nobody() {
    let (store, counters) = (store(4), Counters::default());
    let export = begin(&store, "/dev/full".into(), &counters);
    store.extend((0..10).map(|port| record("denied", port)));
    until("a failure", || counters.get(Count::Failing) == 1).await;
    assert_eq!(counters.get(Count::Records), 0);
    let ended = timeout(LONG, export.stop()).await;
    assert!(ended.is_ok());
}
