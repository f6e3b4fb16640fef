//! One side of a flow: names of the semantic conventions, behind `source.` or `destination.`.

use enforcer_flows::Party;

use super::data::Attributes;

/// Kinds of workloads that the semantic conventions know.
const WORKLOADS: [&str; 6] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "StatefulSet",
];

pub(super) fn put(all: &mut Attributes, side: &str, party: &Party) {
    if let Some(address) = party.address {
        all.text(format!("{side}.address"), &address);
    }
    if let Some(port) = party.port {
        all.number(format!("{side}.port"), port);
    }
    if let Some(identity) = party.identity {
        all.number(format!("{side}.enforcer.identity"), identity);
    }
    let Some(who) = party.who.as_deref() else {
        return;
    };
    if let Some(pod) = &who.pod {
        all.text(format!("{side}.k8s.namespace.name"), &pod.namespace);
        all.text(format!("{side}.k8s.pod.name"), &pod.name);
    }
    if let Some(workload) = &who.workload {
        let text = workload.to_string();
        if let Some((kind, name)) = text.split_once('/')
            && WORKLOADS.contains(&kind)
        {
            let kind = kind.to_lowercase();
            all.text(format!("{side}.k8s.{kind}.name"), name);
        }
        all.text(format!("{side}.enforcer.workload"), &text);
    }
    for (key, value) in &who.labels {
        all.text(format!("{side}.k8s.pod.label.{key}"), value);
    }
    if let Some(node) = &who.node {
        all.text(format!("{side}.k8s.node.name"), node);
    }
    if let Some(service) = &who.service {
        if who.pod.is_none() {
            all.text(format!("{side}.k8s.namespace.name"), &service.namespace);
        }
        all.text(format!("{side}.k8s.service.name"), &service.name);
    }
}
