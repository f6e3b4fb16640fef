//! A daemon's socket over records that were made up, and manifests beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use enforcer::api::Status;
use enforcer::api::server::{Question, listen};
use enforcer::api::status::Fill;
use enforcer::flow::store::FlowStore;
use enforcer_flows::{Limits, Record};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) struct Recorded {
    home: TempDir,
    store: FlowStore,
}

impl Recorded {
    /// With these manifests, one after another, and no records yet.
    pub(crate) fn new(manifests: &[Value]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
        std::fs::create_dir(home.path().join("manifests")).unwrap();
        std::fs::write(home.path().join("manifests/all.json"), list.to_string()).unwrap();
        let store = FlowStore::new(Limits {
            records: 20_000,
            bytes: usize::MAX,
        });
        let (socket, answers) = (home.path().join("socket"), store.clone());
        let (ready, listens) = std::sync::mpsc::channel();
        // It ends with the tests.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let (sender, questions) = mpsc::channel(16);
                let _socket = listen(&socket, sender).unwrap();
                ready.send(()).unwrap();
                answer(questions, answers).await;
            });
        });
        listens.recv().unwrap();
        Self { home, store }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    pub(crate) fn manifests(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn record(&self, records: impl IntoIterator<Item = Value>) {
        let records = records
            .into_iter()
            .map(|one| serde_json::from_value::<Record>(one).unwrap());
        self.store.extend(records);
    }

    /// The same so many times, each with a number of its own.
    pub(crate) fn repeat(&self, record: Value, count: usize) {
        let record: Record = serde_json::from_value(record).unwrap();
        self.store.extend(std::iter::repeat_n(record, count));
    }
}

async fn answer(mut questions: mpsc::Receiver<Question>, store: FlowStore) {
    while let Some(question) = questions.recv().await {
        match question {
            Question::Flows { answer } => drop(answer.send(store.clone())),
            Question::Status { answer, .. } => drop(answer.send(status())),
            _ => unreachable!("manifests answer all else"),
        }
    }
}

fn status() -> Status {
    Status {
        in_force: true,
        synced: true,
        node: Some("n1".to_owned()),
        mode: "enforce".to_owned(),
        maps: BTreeMap::from([("VERDICTS".to_owned(), Fill::default())]),
        ..Status::default()
    }
}

/// A pod's manifest.
pub(crate) fn pod(namespace: &str, name: &str, app: &str, number: usize) -> Value {
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": app, "uid": "1", "controller": true});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": app}, "ownerReferences": [owner]},
        "spec": {"nodeName": format!("n{}", number % 50), "containers": [{"name": "main"}]},
        "status": {"podIPs": [{"ip": address(number)}]}})
}

/// A policy that lets these apps of a namespace in at a port.
pub(crate) fn policy(namespace: &str, app: &str, from: &[(&str, &str)], port: u16) -> Value {
    let peer = |(namespace, app): &(&str, &str)| {
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": {"matchLabels": {"app": app}}})
    };
    let from: Vec<Value> = from.iter().map(peer).collect();
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": app},
        "spec": {"podSelector": {"matchLabels": {"app": app}},
            "ingress": [{"from": from, "ports": [{"port": port}]}]}})
}

pub(crate) fn address(number: usize) -> String {
    format!("10.1.{}.{}", number / 250, number % 250 + 1)
}

/// One side of a record: a pod of a stateful set.
pub(crate) fn side(namespace: &str, name: &str, app: &str, number: usize, port: u16) -> Value {
    json!({"address": address(number), "port": port, "pod": format!("{namespace}/{name}"),
        "workload": format!("StatefulSet/{app}"), "labels": {"app": app},
        "node": format!("n{}", number % 50), "identity": 7})
}

/// What the destination's policy, which has the name of its app, made of a connection.
pub(crate) fn flow(time: &str, from: &Value, to: &Value, policy: &str, allowed: bool) -> Value {
    let mut record = json!({"sequence": 0, "time": time, "node": "n1", "direction": "ingress",
        "hook": "ingress", "endpoint": to["pod"], "protocol": "TCP", "source": from, "destination": to,
        "policies": [policy], "count": 1, "length": 74});
    if allowed {
        record["kind"] = json!("opened");
        record["reason"] = json!("allowed");
        record["allowed_by"] = json!({"policy": policy, "rule": "ingress[0]"});
    } else {
        record["kind"] = json!("denied");
        record["reason"] = json!("policy-denied");
        let lacks = format!("peer has {}, rule wants another", label(from));
        record["nearest"] = json!({"policy": policy, "rule": "ingress[0]", "lacks": [lacks]});
    }
    record
}

fn label(side: &Value) -> String {
    format!("app={}", side["labels"]["app"].as_str().unwrap_or_default())
}
