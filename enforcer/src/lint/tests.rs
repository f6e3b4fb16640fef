//! What is found by lists is what a walk over everything finds.

use std::path::Path;
use std::sync::Arc;

use enforcer_policy::model::{Pod, PodKey};
use enforcer_policy::rule::{Namespaces, PeerSelector, Peers, PodSelector, Rule};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::dns::Allowed;
use super::{Scene, Subject, subject::selected};
use crate::source::manifests::load::Loaded;
use crate::source::manifests::read;

fn labels() -> impl Strategy<Value = Value> {
    let value = || prop::option::of(prop::sample::select(vec!["x", "y", "z"]));
    (value(), value(), value()).prop_map(|(a, b, c)| {
        let all = [("a", a), ("b", b), ("c", c)].into_iter();
        let labels = all.filter_map(|(key, value)| Some((key.to_owned(), json!(value?))));
        Value::Object(labels.collect())
    })
}

fn selector() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => labels().prop_map(|labels| json!({"matchLabels": labels})),
        1 => (labels(), prop::sample::select(vec!["In", "NotIn"])).prop_map(|(labels, operator)| {
            json!({"matchLabels": labels, "matchExpressions": [
                {"key": "a", "operator": operator, "values": ["x", "z"]}]})
        }),
    ]
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["blue", "red"])
}

fn pod() -> impl Strategy<Value = Value> {
    let named = prop::sample::select(vec![("web", 80), ("web", 8080), ("names", 53)]);
    let of_pod = (namespace(), labels(), prop::bool::weighted(0.2), named);
    of_pod.prop_map(|(namespace, labels, host_network, (port, number))| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "labels": labels},
            "spec": {"hostNetwork": host_network, "containers": [{"name": "c", "image": "i",
                "ports": [{"name": port, "containerPort": number}]}]},
            "status": {"podIP": "10.0.0.1"}})
    })
}

fn policy() -> impl Strategy<Value = Value> {
    let port = prop::sample::select(vec![
        json!([{"port": 53}, {"port": 53, "protocol": "UDP"}]),
        json!([{"port": 53, "protocol": "UDP"}]),
        json!([{"port": "names"}]),
        json!([{"port": 80}]),
        json!([]),
    ]);
    let peer = prop_oneof![
        selector().prop_map(|pods| json!({"podSelector": pods})),
        (labels(), selector()).prop_map(|(labels, pods)| {
            json!({"namespaceSelector": {"matchLabels": labels}, "podSelector": pods})
        }),
        Just(json!({"ipBlock": {"cidr": "10.0.0.0/8"}})),
    ];
    let egress = (prop::collection::vec(peer, 0..3), port)
        .prop_map(|(peers, ports)| json!({"to": peers, "ports": ports}));
    let egress = prop::collection::vec(egress, 0..3);
    (namespace(), selector(), egress).prop_map(|(namespace, pods, egress)| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace},
            "spec": {"podSelector": pods, "policyTypes": ["Egress"], "egress": egress}})
    })
}

/// Objects of random kinds; all get names of their own.
fn objects() -> impl Strategy<Value = Vec<Value>> {
    let described = labels().prop_map(|labels| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "blue", "labels": labels}})
    });
    let pods = prop::collection::vec(pod(), 0..12);
    let policies = prop::collection::vec(policy(), 1..12);
    (described, pods, policies).prop_map(|(described, pods, policies)| {
        let mut all: Vec<Value> = pods.into_iter().chain(policies).collect();
        for (number, object) in all.iter_mut().enumerate() {
            object["metadata"]["name"] = json!(format!("n{number}"));
        }
        all.push(described);
        all
    })
}

fn loaded(objects: &[Value]) -> Loaded {
    let texts: Vec<_> = objects.iter().map(ToString::to_string).collect();
    let file = Arc::from(Path::new("all.yaml"));
    Loaded {
        contents: vec![Arc::new(read::text(&file, &texts.join("\n---\n")))],
        ..Loaded::default()
    }
}

/// [`selected`], by a walk over all pods.
fn plainly_selected<'a>(scene: &'a Scene<'_>, subject: &Subject<'_>) -> Vec<(&'a PodKey, &'a Pod)> {
    let pods = scene.cluster.pods.iter();
    let own = pods.filter(|(key, _)| key.namespace == *subject.namespace());
    let selector = subject.selector();
    own.filter(|(_, pod)| selector.is_some_and(|selector| selector.matches(&pod.labels)))
        .collect()
}

/// What the policies allow that are for all pods of `subject`, by a walk over all policies.
fn plainly_allowed(scene: &Scene<'_>, subject: &Subject<'_>) -> Allowed {
    let covers = |other: &&Subject<'_>| match (other.selector(), subject.selector()) {
        (Some(wide), Some(narrow)) => {
            let mut wanted = wide.requirements.iter();
            wanted.all(|one| narrow.requirements.contains(one))
        }
        _ => false,
    };
    let policies = scene.policies.iter();
    let same = policies.filter(|other| other.namespace() == subject.namespace());
    let by = same
        .filter(covers)
        .map(|one| Allowed::by(scene, one.policy));
    by.fold(Allowed::default(), |all, one| Allowed {
        anything: all.anything || one.anything,
        udp: all.udp || one.udp,
        tcp: all.tcp || one.tcp,
    })
}

fn plainly_means(scene: &Scene<'_>, rule: &Rule, key: &PodKey, pod: &Pod) -> bool {
    let selects = |selector: &PodSelector| {
        let in_namespace = match &selector.namespaces {
            Namespaces::Named(name) => *name == key.namespace,
            Namespaces::Matching(labels) => {
                labels.matches(&scene.cluster.namespace_labels(&key.namespace))
            }
        };
        in_namespace && selector.pods.matches(&pod.labels)
    };
    match &rule.peers {
        Peers::Any => false,
        Peers::Of(peers) => peers.iter().any(|peer| match peer {
            PeerSelector::Pods(selector) => pod.is_selectable() && selects(selector),
            PeerSelector::Block(_) => false,
        }),
    }
}

proptest! {
    #[test]
    fn lists_find_what_a_walk_finds(objects in objects()) {
        let loaded = loaded(&objects);
        let scene = Scene::new(&loaded);
        prop_assert!(!scene.policies.is_empty());
        for subject in &scene.policies {
            let plain = plainly_selected(&scene, subject);
            prop_assert_eq!(selected(&scene, subject).collect::<Vec<_>>(), plain);
            prop_assert_eq!(scene.allowing.of(subject), plainly_allowed(&scene, subject));
            for (_, rule) in subject.entries() {
                let pods = scene.cluster.pods.iter();
                let meant: Vec<_> = pods
                    .filter(|(key, pod)| plainly_means(&scene, rule, key, pod))
                    .collect();
                for key in scene.cluster.pods.keys() {
                    let plain = meant.iter().any(|(one, _)| *one == key);
                    prop_assert_eq!(scene.means(rule, key), plain);
                }
                for number in [53, 80, 8080, 81] {
                    let mut ports = meant.iter().flat_map(|(_, pod)| &pod.ports);
                    let plain = ports.any(|port| port.port == number);
                    prop_assert_eq!(scene.listens(rule, number), plain);
                }
            }
        }
        for name in ["blue", "red"] {
            let pods = scene.pods_of(name);
            let plain: Vec<_> = pods.filter(|(_, pod)| pod.host_network).collect();
            prop_assert_eq!(scene.on_host_network(name).collect::<Vec<_>>(), plain);
        }
    }
}
