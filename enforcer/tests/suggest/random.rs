//! Random clusters with workloads, and the records of their connections.

use std::collections::BTreeMap;

use enforcer_policy::oracle::{Objects, Part, Question, Side};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};

use crate::asked::{Owners, address};

/// What pods are workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// Those of the same labels are one.
    ByLabels,
    /// Each is one, with a label of its own.
    Distinct,
    /// Each is one, whatever its labels.
    Alone,
}

/// Makes workloads of the pods; no policy is left.
pub(crate) fn group(objects: &mut Objects, grouping: Grouping) {
    objects.policies.clear();
    for pod in &mut objects.pods {
        match grouping {
            Grouping::ByLabels => own(pod),
            Grouping::Distinct => {
                let name = pod.metadata.name.clone().unwrap_or_default();
                let labels = pod.metadata.labels.get_or_insert_default();
                labels.insert("id".to_owned(), name);
            }
            Grouping::Alone => {}
        }
    }
}

fn own(pod: &mut Pod) {
    let labels: Vec<String> = labels(pod).into_values().collect();
    pod.metadata.owner_references = Some(vec![OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "StatefulSet".to_owned(),
        name: format!("s{}", labels.concat()),
        uid: "1".to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    }]);
}

fn labels(pod: &Pod) -> BTreeMap<String, String> {
    pod.metadata.labels.clone().unwrap_or_default()
}

/// The objects as one file.
pub(crate) fn manifests(objects: &Objects) -> String {
    let lists = [
        json!(objects.nodes),
        json!(objects.namespaces),
        json!(objects.pods),
    ];
    let items: Vec<&Value> = lists
        .iter()
        .flat_map(|list| list.as_array().unwrap())
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// The records of a connection, one for each end that is a pod. `denied` is at the first of them.
pub(crate) fn records(
    objects: &Objects,
    owners: &Owners,
    question: &Question,
    denied: bool,
) -> Vec<Value> {
    let answer = objects.ask(question).unwrap();
    let (from, to) = (
        party(objects, owners, &question.from),
        party(objects, owners, &question.to),
    );
    let ends = [
        ("egress", &answer.egress, &from),
        ("ingress", &answer.ingress, &to),
    ];
    let policed = ends
        .into_iter()
        .filter(|(_, part, _)| **part != Part::NotApplicable);
    let records = policed.enumerate().map(|(index, (direction, part, own))| {
        let (kind, reason) = match part {
            Part::OwnNode => ("opened", "own-node"),
            Part::OwnPod => ("opened", "own-pod"),
            _ if denied && index == 0 => ("denied", "policy-denied"),
            _ => ("opened", "not-isolated"),
        };
        let mut record = json!({"sequence": 0, "time": "2026-11-21T08:00:00Z", "kind": kind,
            "reason": reason, "direction": direction, "hook": direction,
            "protocol": protocol(question.protocol), "source": from, "destination": to,
            "policies": [], "count": 1, "length": 74, "endpoint": own["pod"]});
        record["source"]["port"] = json!(40_000);
        record["destination"]["port"] = json!(question.port);
        if !own["node"].is_null() {
            record["node"] = own["node"].clone();
        }
        record
    });
    records.collect()
}

fn protocol(number: u8) -> &'static str {
    match number {
        6 => "TCP",
        17 => "UDP",
        132 => "SCTP",
        other => panic!("{other} has no ports"),
    }
}

/// An end as a daemon describes it.
fn party(objects: &Objects, owners: &Owners, side: &Side) -> Value {
    let address = address(side);
    let mut party = json!({"address": address});
    if let Some(pod) = owners.pod(side) {
        let metadata = &pod.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        party["pod"] = json!(format!("{namespace}/{}", metadata.name.as_deref().unwrap()));
        party["labels"] = json!(labels(pod));
        if let Some(owner) = metadata.owner_references.iter().flatten().next() {
            party["workload"] = json!(format!("{}/{}", owner.kind, owner.name));
        }
        if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) {
            party["node"] = json!(node);
        }
        return party;
    }
    let text = address.to_string();
    let node = objects.nodes.iter().find(|node| {
        let addresses = node
            .status
            .iter()
            .flat_map(|status| status.addresses.iter().flatten());
        addresses.into_iter().any(|one| one.address == text)
    });
    if let Some(node) = node {
        party["node"] = json!(node.metadata.name);
    }
    party
}

/// Gives every record of a node a number of its own.
pub(crate) fn number(records: &mut [Value]) {
    for (number, record) in records.iter_mut().enumerate() {
        record["sequence"] = json!(number);
    }
}
