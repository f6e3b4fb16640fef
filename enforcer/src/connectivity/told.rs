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
    let about = listed.items.iter();
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
