//! What daemons say about the policies of a case: only to explain what is broken.

use std::collections::BTreeMap;

use kube::api::ListParams;
use kube::{Api, Client};

use crate::report::{PolicyEnforcement, State};

/// What each of these nodes says about a policy in a namespace. Nothing where the cluster has no such objects,
/// or they may not be read.
pub(super) async fn told(
    api: &Client,
    namespace: &str,
    policies: &[String],
    nodes: &[String],
) -> Vec<String> {
    let objects = Api::<PolicyEnforcement>::namespaced(api.clone(), namespace);
    let Ok(listed) = objects.list(&ListParams::default()).await else {
        return Vec::new();
    };
    words(&listed.items, policies, nodes)
}

fn words(objects: &[PolicyEnforcement], policies: &[String], nodes: &[String]) -> Vec<String> {
    let about = objects.iter();
    let about = about.filter(|one| policies.contains(&one.spec.policy.name));
    let mut by_node: BTreeMap<&str, Vec<&PolicyEnforcement>> =
        nodes.iter().map(|node| (&**node, Vec::new())).collect();
    for one in about {
        by_node.entry(&one.spec.node).or_default().push(one);
    }
    let mut words = Vec::new();
    for (node, objects) in by_node {
        if objects.is_empty() {
            words.push(format!(
                "{node} says nothing about it: does a daemon run there, or do no pods of it count?"
            ));
        }
        words.extend(objects.into_iter().map(|one| {
            let state = match one.status.state {
                State::Enforced => "is enforced",
                State::Partly => "is enforced for some pods only",
                State::NotEnforced => "is not enforced",
                State::Audit => "is only reported (audit mode)",
            };
            format!("{node} says that {} {state}", one.spec.policy.name)
        }));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(policy: &str, node: &str, state: &str) -> PolicyEnforcement {
        serde_json::from_value(json!({
            "apiVersion": "enforcer.dev/v1alpha1", "kind": "PolicyEnforcement", "metadata": {},
            "spec": {"policy": {"name": policy, "uid": "1"}, "node": node},
            "status": {"state": state, "since": "2026-01-01T00:00:00Z", "pods": 1, "notEnforcedCount": 0},
        }))
        .unwrap()
    }

    #[test]
    fn each_node_is_heard_about_this_policy_also_one_that_is_silent() {
        let objects = [
            object("a", "node-1", "Audit"),
            object("b", "node-2", "Enforced"),
        ];
        let nodes = ["node-1", "node-2"].map(str::to_owned);
        let words = words(&objects, &["a".to_owned()], &nodes);
        assert_eq!(words[0], "node-1 says that a is only reported (audit mode)");
        assert!(
            words[1].starts_with("node-2 says nothing about it"),
            "{words:?}"
        );
        assert_eq!(words.len(), 2);
    }
}
