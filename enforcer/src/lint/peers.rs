//! `from` and `to`.

use std::collections::BTreeSet;

use enforcer_policy::rule::{Namespaces, PeerSelector, Peers, PodSelector};

use super::{Finding, Scene, Subject, names};
use crate::source::manifests::yaml::Node;

/// The peers of all entries, each with its path.
pub(super) fn peers<'a>(
    subject: &'a Subject<'_>,
) -> impl Iterator<Item = (String, &'a PeerSelector)> {
    subject.entries().flat_map(|(path, rule)| {
        let (_, list) = names(rule.direction);
        let peers: &[PeerSelector] = match &rule.peers {
            Peers::Any => &[],
            Peers::Of(peers) => peers,
        };
        let indexed = peers.iter().enumerate();
        indexed.map(move |(index, peer)| (format!("{path}.{list}[{index}]"), peer))
    })
}

/// Two list items where one was probably meant: the dash makes an OR out of an AND.
pub(super) fn split(_: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, rule) in subject.entries() {
        let (_, list) = names(rule.direction);
        let items = subject
            .at(&format!("{path}.{list}"))
            .map_or(&[][..], Node::items);
        for (index, pair) in (1..).zip(items.windows(2)) {
            if let [first, second] = pair
                && looks_split(first, second)
            {
                findings.push(split_finding(subject, &format!("{path}.{list}[{index}]")));
            }
        }
    }
    findings
}

fn split_finding(subject: &Subject<'_>, field: &str) -> Finding {
    Finding::warning(
        "split-peer",
        field,
        format!(
            "two list items are two peers: the pods of namespace {} that match the podSelector, \
             and all pods of the namespaces that match the namespaceSelector",
            subject.namespace()
        ),
        "remove the dash before the second selector if both are to hold together",
    )
}

/// One item has only a pod selector that says something, the other only a namespace selector.
fn looks_split(first: &Node, second: &Node) -> bool {
    let only = |item: &Node, this: &str, other: &str| {
        let present = |field| item.get(field).is_some_and(|node| !node.is_null());
        present(this) && !present(other)
    };
    let pods = |item| {
        only(item, "podSelector", "namespaceSelector")
            && item
                .get("podSelector")
                .is_some_and(|selector| selector.size() > 1)
    };
    let namespaces = |item| only(item, "namespaceSelector", "podSelector");
    (pods(first) && namespaces(second)) || (namespaces(first) && pods(second))
}

/// Selectors that no pod or namespace of the manifests matches.
pub(super) fn matching_nothing(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    if scene.cluster.pods.is_empty() && scene.cluster.namespaces.is_empty() {
        return Vec::new();
    }
    peers(subject)
        .filter_map(|(path, peer)| match peer {
            PeerSelector::Pods(selector) => unmatched(scene, selector, &path),
            PeerSelector::Block(_) => None,
        })
        .collect()
}

fn unmatched(scene: &Scene<'_>, selector: &PodSelector, path: &str) -> Option<Finding> {
    let namespaces: BTreeSet<&str> = match &selector.namespaces {
        Namespaces::Named(name) => BTreeSet::from([name.as_str()]),
        Namespaces::Matching(labels) => scene
            .namespaces
            .iter()
            .filter(|(_, carried)| labels.matches(carried))
            .map(|(name, _)| name.as_str())
            .collect(),
    };
    if namespaces.is_empty() {
        return Some(Finding::warning(
            "selects-nothing",
            format!("{path}.namespaceSelector"),
            "no namespace of these manifests matches this selector",
            "check the labels of the namespaces; kubernetes.io/metadata.name holds the name",
        ));
    }
    let mut namespaces = namespaces.iter();
    let found = namespaces.any(|name| {
        let mut pods = scene.matching(name, &selector.pods);
        pods.any(|(_, pod)| pod.is_selectable())
    });
    let judged = !scene.cluster.pods.is_empty() && !selector.pods.is_everything();
    (judged && !found).then(|| {
        Finding::warning(
            "selects-nothing",
            format!("{path}.podSelector"),
            "no pod of these manifests matches this selector",
            match selector.namespaces {
                Namespaces::Named(_) => {
                    "check the labels; without a namespaceSelector only pods of the policy's own \
                     namespace are meant"
                }
                Namespaces::Matching(_) => "check the labels of the pods and of their namespaces",
            },
        )
    })
}
