//! The pods that a policy is for.

use enforcer_policy::model::{Pod, PodKey};

use super::{Finding, Scene, Subject};
use crate::source::manifests::closest;

/// The pods that the policy's selector matches, those that it cannot isolate among them.
pub(super) fn selected<'a>(
    scene: &'a Scene<'_>,
    subject: &'a Subject<'_>,
) -> impl Iterator<Item = (&'a PodKey, &'a Pod)> {
    let selector = subject.selector().into_iter();
    selector.flat_map(|selector| scene.matching(subject.namespace(), selector))
}

/// A policy for nobody.
pub(super) fn no_pods(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    if scene.cluster.pods.is_empty() || selected(scene, subject).next().is_some() {
        return Vec::new();
    }
    vec![Finding::warning(
        "selects-nothing",
        "spec.podSelector",
        format!(
            "no pod of namespace {} in these manifests matches: the policy has no effect",
            subject.namespace()
        ),
        "check the labels and the namespace",
    )]
}

/// A policy for pods that share their node's network.
pub(super) fn host_network(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let selector = subject.selector();
    let sharing = scene.on_host_network(subject.namespace());
    let sharing =
        sharing.filter(|(_, pod)| selector.is_some_and(|selector| selector.matches(&pod.labels)));
    let names: Vec<_> = sharing.map(|(key, _)| key.to_string()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![Finding::warning(
        "host-network",
        "spec.podSelector",
        format!(
            "selects {}, which {} on the host network: it is not isolated",
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" }
        ),
        "give the pod a network of its own, or leave it out of the selector",
    )]
}

/// A namespace that no object describes, while others are described.
pub(super) fn namespace(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let described = &scene.cluster.namespaces;
    let name = subject.namespace();
    if described.is_empty() || described.contains_key(name) {
        return Vec::new();
    }
    let meant = closest(name, described.keys().map(String::as_str));
    let help = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => "add a Namespace object if it has labels of its own".to_owned(),
    };
    let finding = Finding::warning(
        "undescribed-namespace",
        "metadata.namespace",
        format!("no Namespace object describes {name}: it has the label with its name only"),
        help,
    );
    vec![finding.info()]
}
