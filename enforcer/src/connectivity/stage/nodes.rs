//! Which nodes the pods go to.

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::connectivity::TestError;

/// Those that the user wants; else the first two nodes by name that take pods, or the only one.
pub(in crate::connectivity) async fn choose(
    api: &Client,
    wanted: &[String],
) -> Result<Vec<String>, TestError> {
    let all = Api::<Node>::all(api.clone());
    let listed = all.list(&ListParams::default()).await;
    let listed = listed.map_err(TestError::api("listing nodes"))?;
    let mut names: Vec<String> = listed
        .items
        .into_iter()
        .filter(takes_pods)
        .filter_map(|node| node.metadata.name)
        .collect();
    names.sort();
    if let Some(missing) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(TestError::NoSuchNode(missing.clone()));
    }
    if !wanted.is_empty() {
        names = wanted.to_vec();
        names.dedup();
    }
    names.truncate(2);
    if names.is_empty() {
        return Err(TestError::NoNode);
    }
    Ok(names)
}

/// Whether a pod without tolerations can run there.
fn takes_pods(node: &Node) -> bool {
    let spec = node.spec.clone().unwrap_or_default();
    let mut taints = spec.taints.iter().flatten();
    let tainted = taints.any(|taint| matches!(&*taint.effect, "NoSchedule" | "NoExecute"));
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    let ready = ready.any(|condition| condition.status == "True");
    ready && !tainted && !spec.unschedulable.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(spec: &Value, ready: &str) -> Node {
        let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
        serde_json::from_value(json!({"metadata": {}, "spec": spec, "status": status})).unwrap()
    }

    #[test]
    fn nodes_that_the_scheduler_would_pass_over_are_not_chosen() {
        assert!(takes_pods(&node(&json!({}), "True")));
        assert!(!takes_pods(&node(&json!({}), "Unknown")));
        assert!(!takes_pods(&node(&json!({"unschedulable": true}), "True")));
        let taint = |effect| json!({"taints": [{"key": "a", "effect": effect}]});
        assert!(!takes_pods(&node(&taint("NoSchedule"), "True")));
        assert!(takes_pods(&node(&taint("PreferNoSchedule"), "True")));
    }
}
