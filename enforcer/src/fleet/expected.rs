//! Whether a `DaemonSet` means a node.
//!
//! As its controller decides: the node selector and the required node affinity of its pods, and the
//! node's taints. The taints of a node that is in trouble do not count: its controller tolerates them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration,
};

/// Effects of a taint that keep pods away.
const REPELLING: [&str; 2] = ["NoSchedule", "NoExecute"];

/// What the controller adds to the tolerations of every pod.
const TOLERATED: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/network-unavailable",
];

type Labels = BTreeMap<String, String>;

/// Whether a pod of this kind belongs on a node.
pub fn is_meant(pod: &PodSpec, node: &Node) -> bool {
    let none = Labels::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&none);
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let mut selector = pod.node_selector.iter().flatten();
    selector.all(|(key, value)| labels.get(key) == Some(value))
        && has_affinity(pod, labels, name)
        && is_tolerated(pod, node)
}

fn has_affinity(pod: &PodSpec, labels: &Labels, name: &str) -> bool {
    let affinity = pod
        .affinity
        .as_ref()
        .and_then(|all| all.node_affinity.as_ref());
    let required = affinity.and_then(|all| {
        all.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    required.is_none_or(|required| {
        let mut terms = required.node_selector_terms.iter();
        terms.any(|term| holds(term, labels, name))
    })
}

/// A term without requirements means no node.
fn holds(term: &NodeSelectorTerm, labels: &Labels, name: &str) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let label = |key: &str| labels.get(key).map(String::as_str);
    let field = |key: &str| (key == "metadata.name").then_some(name);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|one| is_met(one, label(&one.key)))
        && fields.iter().all(|one| is_met(one, field(&one.key)))
}

fn is_met(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let among = value.is_some_and(|value| values.iter().any(|one| one == value));
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = values.first().and_then(|bound| number(bound));
    let both = value.and_then(number).zip(bound);
    match &*requirement.operator {
        "In" => among,
        "NotIn" => !among,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => both.is_some_and(|(value, bound)| value > bound),
        "Lt" => both.is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

fn is_tolerated(pod: &PodSpec, node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref());
    let taints = taints.unwrap_or_default().iter();
    let mut repelling = taints.filter(|taint| REPELLING.contains(&&*taint.effect));
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    repelling.all(|taint| {
        TOLERATED.contains(&&*taint.key) || tolerations.iter().any(|one| tolerates(one, taint))
    })
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || key.is_empty() && exists)
        && (exists || value(&toleration.value) == value(&taint.value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is(pod: &Value, node: &Value) -> bool {
        let pod = json!({"containers": []})
            .as_object()
            .into_iter()
            .flatten()
            .chain(pod.as_object().into_iter().flatten())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>();
        let pod: PodSpec = serde_json::from_value(pod.into()).unwrap();
        is_meant(&pod, &serde_json::from_value(node.clone()).unwrap())
    }

    fn affinity(terms: &Value) -> Value {
        let required = json!({"nodeSelectorTerms": terms});
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}})
    }

    #[test]
    fn a_node_selector_must_hold_whole() {
        let node = json!({"metadata": {"name": "a", "labels": {"os": "linux", "pool": "x"}}});
        assert!(is(&json!({}), &node));
        assert!(is(
            &json!({"nodeSelector": {"os": "linux", "pool": "x"}}),
            &node
        ));
        assert!(!is(
            &json!({"nodeSelector": {"os": "linux", "pool": "y"}}),
            &node
        ));
    }

    #[test]
    fn one_term_of_the_affinity_must_hold() {
        let node = json!({"metadata": {"name": "a", "labels": {"type": "real", "cpus": "8"}}});
        let one = |key, operator, values: Value| json!({"key": key, "operator": operator, "values": values});
        for (requirement, held) in [
            (one("type", "In", json!(["real", "unreal"])), true),
            (one("type", "NotIn", json!(["virtual-kubelet"])), true),
            (one("other", "NotIn", json!(["fargate"])), true),
            (one("type", "NotIn", json!(["real"])), false),
            (one("type", "Exists", json!([])), true),
            (one("type", "DoesNotExist", json!([])), false),
            (one("cpus", "Gt", json!(["4"])), true),
            (one("cpus", "Lt", json!(["4"])), false),
        ] {
            let terms = json!([{"matchExpressions": [requirement]}]);
            assert_eq!(is(&affinity(&terms), &node), held, "{terms}");
            let never = json!({"matchExpressions": [one("x", "Exists", json!([]))]});
            let either = json!([never, {"matchExpressions": [requirement]}]);
            assert_eq!(is(&affinity(&either), &node), held, "{either}");
        }
        let named =
            |name: &str| json!([{"matchFields": [one("metadata.name", "In", json!([name]))]}]);
        assert!(is(&affinity(&named("a")), &node));
        assert!(!is(&affinity(&named("b")), &node));
        assert!(!is(&affinity(&json!([{}])), &node));
    }

    #[test]
    fn a_taint_must_be_tolerated_unless_it_is_only_a_wish_or_a_trouble() {
        let node = |key: &str, effect: &str| {
            let taint = json!({"key": key, "value": "v", "effect": effect});
            json!({"metadata": {"name": "a"}, "spec": {"taints": [taint]}})
        };
        assert!(!is(&json!({}), &node("x", "NoSchedule")));
        assert!(is(&json!({}), &node("x", "PreferNoSchedule")));
        assert!(is(
            &json!({}),
            &node("node.kubernetes.io/not-ready", "NoExecute")
        ));
        for (toleration, held) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "x", "operator": "Exists"}), true),
            (json!({"key": "x", "value": "v"}), true),
            (json!({"key": "x", "value": "w"}), false),
            (json!({"key": "y", "operator": "Exists"}), false),
            (json!({"operator": "Exists", "effect": "NoExecute"}), false),
        ] {
            let pod = json!({"tolerations": [toleration]});
            assert_eq!(is(&pod, &node("x", "NoSchedule")), held, "{toleration}");
        }
    }
}
