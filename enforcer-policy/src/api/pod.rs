//! Pods.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1;

use super::{ALLOW_SPOOFING_ANNOTATION, meta, owner, syntax};
use crate::intern::Name;
use crate::invalid::{Invalid, Problem};
use crate::lower::protocol;
use crate::model::{NamedPort, Pod, PodKey, Readiness, Uid};

/// What the kubelet writes at the object that it makes for a static pod.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// A pod by name.
///
/// Addresses are `status.podIPs` and `status.podIP`; like the API server, more than one of a family
/// is refused. Named ports are those of the containers and of init containers that go on running
/// beside them (`restartPolicy: Always`).
///
/// # Errors
/// All that is wrong with its name, labels, addresses and named ports.
pub fn pod(object: &v1::Pod) -> Result<(PodKey, Pod), Vec<Invalid>> {
    let mut invalid = Vec::new();
    let key = PodKey {
        namespace: meta::namespace(&object.metadata, &mut invalid),
        name: meta::name(&object.metadata, &mut invalid),
    };
    let labels = object.metadata.labels.as_ref();
    let spec = object.spec.as_ref();
    let status = object.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let pod = Pod {
        uid: uid(object),
        labels: meta::labels(labels, "metadata.labels", &mut invalid),
        addresses: status
            .map(|status| addresses(status, &mut invalid))
            .unwrap_or_default(),
        node: spec
            .and_then(|spec| spec.node_name.as_deref())
            .filter(|name| !name.is_empty())
            .map(Name::from),
        host_network: spec.and_then(|spec| spec.host_network).unwrap_or(false),
        terminated: matches!(phase, Some("Succeeded" | "Failed")),
        ports: spec
            .map(|spec| named_ports(spec, &mut invalid))
            .unwrap_or_default(),
        readiness: Readiness {
            unready: status.is_some_and(is_unready),
            terminating: object.metadata.deletion_timestamp.is_some(),
        },
        may_spoof: may_spoof(object),
        workload: owner::workload(&object.metadata),
    };
    meta::finish((key, pod), invalid)
}

/// The API server's object for a static pod has a uid of its own, but is annotated with that of
/// the pod, by which the kubelet and the runtime know it. A uid that is none of Kubernetes' tells
/// nothing.
fn uid(object: &v1::Pod) -> Option<Uid> {
    let annotations = object.metadata.annotations.as_ref();
    let of_static = annotations.and_then(|annotations| annotations.get(MIRROR_ANNOTATION));
    of_static.or(object.metadata.uid.as_ref())?.parse().ok()
}

/// A pod without any condition was written by hand: nobody says that it is not ready.
fn is_unready(status: &v1::PodStatus) -> bool {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let mut ready = conditions.iter().filter(|one| one.type_ == "Ready");
    !conditions.is_empty() && !ready.any(|one| one.status == "True")
}

fn may_spoof(object: &v1::Pod) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(ALLOW_SPOOFING_ANNOTATION))
        .is_some_and(|value| value == "true")
}

fn addresses(status: &v1::PodStatus, invalid: &mut Vec<Invalid>) -> Vec<IpAddr> {
    let listed = status.pod_ips.iter().flatten().enumerate();
    let listed = listed.map(|(index, entry)| (format!("status.podIPs[{index}].ip"), &entry.ip));
    let single = status.pod_ip.iter().filter(|text| !text.is_empty());
    let mut found: Vec<IpAddr> = Vec::new();
    for (field, text) in listed.chain(single.map(|text| ("status.podIP".to_owned(), text))) {
        match syntax::address(text) {
            None => invalid.push(Invalid::new(field, Problem::NotAnAddress(text.clone()))),
            Some(address) if found.contains(&address) => {}
            Some(address) if found.iter().any(|other| same_family(*other, address)) => {
                let (what, most) = ("address of a family", 1);
                invalid.push(Invalid::new(field, Problem::TooMany { what, most }));
            }
            Some(address) => found.push(address),
        }
    }
    found
}

fn same_family(left: IpAddr, right: IpAddr) -> bool {
    left.is_ipv4() == right.is_ipv4()
}

fn named_ports(spec: &v1::PodSpec, invalid: &mut Vec<Invalid>) -> Vec<NamedPort> {
    let containers = spec.containers.iter().enumerate();
    let containers = containers.map(|(index, one)| (format!("spec.containers[{index}]"), one));
    let sidecars = spec.init_containers.iter().flatten().enumerate();
    let sidecars = sidecars
        .filter(|(_, one)| one.restart_policy.as_deref() == Some("Always"))
        .map(|(index, one)| (format!("spec.initContainers[{index}]"), one));
    let mut ports = BTreeSet::new();
    for (path, container) in containers.chain(sidecars) {
        container_ports(container, &path, &mut ports, invalid);
    }
    ports.into_iter().collect()
}

fn container_ports(
    container: &v1::Container,
    path: &str,
    ports: &mut BTreeSet<NamedPort>,
    invalid: &mut Vec<Invalid>,
) {
    let mut names = BTreeSet::new();
    for (index, entry) in container.ports.iter().flatten().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let protocol = protocol(entry.protocol.as_deref(), &path, invalid);
        let port = syntax::port_number(entry.container_port);
        if port.is_none() {
            let problem = Problem::PortOutOfRange(entry.container_port.into());
            invalid.push(Invalid::new(format!("{path}.containerPort"), problem));
        }
        let Some(name) = entry.name.clone().filter(|name| !name.is_empty()) else {
            continue;
        };
        if !syntax::is_port_name(&name) {
            let problem = Problem::NotAPortName(name.clone());
            invalid.push(Invalid::new(format!("{path}.name"), problem));
        } else if !names.insert(name.clone()) {
            let problem = Problem::Duplicate(name.clone());
            invalid.push(Invalid::new(format!("{path}.name"), problem));
        }
        if let (Some(protocol), Some(port)) = (protocol, port) {
            ports.insert(NamedPort {
                name: name.into(),
                protocol,
                port,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::Protocol;

    fn read(value: Value) -> Result<(PodKey, Pod), Vec<Invalid>> {
        pod(&serde_json::from_value(value).unwrap())
    }

    fn fields(value: Value) -> Vec<String> {
        let invalid = read(value).unwrap_err();
        invalid.into_iter().map(|one| one.field).collect()
    }

    #[test]
    fn a_pod_without_a_namespace_is_in_default() {
        let (key, pod) = read(json!({"metadata": {"name": "a"}})).unwrap();
        assert_eq!(key.to_string(), "default/a");
        assert_eq!(pod, Pod::default());
    }

    #[test]
    fn pod_ips_and_pod_ip_are_one_list_without_repetition() {
        let status = json!({
            "podIP": "10.0.0.1",
            "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
        });
        let (_, pod) = read(json!({"metadata": {"name": "a"}, "status": status})).unwrap();
        let expected: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        assert_eq!(pod.addresses, expected);
    }

    #[test]
    fn a_second_address_of_a_family_is_refused() {
        let status = json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}, {"ip": "x"}]});
        assert_eq!(
            fields(json!({"metadata": {"name": "a"}, "status": status})),
            ["status.podIPs[1].ip", "status.podIPs[2].ip"]
        );
    }

    #[test]
    fn succeeded_and_failed_pods_are_terminated() {
        for (phase, terminated) in [
            ("Pending", false),
            ("Running", false),
            ("Unknown", false),
            ("Succeeded", true),
            ("Failed", true),
        ] {
            let value = json!({"metadata": {"name": "a"}, "status": {"phase": phase}});
            assert_eq!(read(value).unwrap().1.terminated, terminated, "{phase}");
        }
    }

    #[test]
    fn named_ports_come_from_containers_and_sidecars_but_not_from_other_init_containers() {
        let ports = |name: &str, port: u16| json!([{"name": name, "containerPort": port}]);
        let (_, pod) = read(json!({
            "metadata": {"name": "a"},
            "spec": {
                "containers": [
                    {"name": "x", "ports": ports("web", 80)},
                    {"name": "y", "ports": [
                        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                        {"containerPort": 9000}
                    ]}
                ],
                "initContainers": [
                    {"name": "once", "ports": ports("once", 1)},
                    {"name": "side", "restartPolicy": "Always", "ports": ports("side", 15001)}
                ]
            }
        }))
        .unwrap();
        let port = |name: &str, protocol, port| NamedPort {
            name: name.into(),
            protocol,
            port,
        };
        assert_eq!(
            pod.ports,
            [
                port("dns", Protocol::Udp, 53),
                port("side", Protocol::Tcp, 15001),
                port("web", Protocol::Tcp, 80),
            ]
        );
    }

    #[test]
    fn all_mistakes_of_a_pod_are_told() {
        assert_eq!(
            fields(json!({
                "metadata": {"name": "A", "namespace": "x.y", "labels": {"a": "!"}},
                "spec": {"containers": [{"name": "c", "ports": [
                    {"name": "web", "containerPort": 0},
                    {"name": "web", "containerPort": 1, "protocol": "tcp"},
                    {"name": "8080", "containerPort": 8080}
                ]}]}
            })),
            [
                "metadata.namespace",
                "metadata.name",
                "metadata.labels[a]",
                "spec.containers[0].ports[0].containerPort",
                "spec.containers[0].ports[1].protocol",
                "spec.containers[0].ports[1].name",
                "spec.containers[0].ports[2].name",
            ]
        );
    }

    #[test]
    fn a_pod_is_unready_when_it_has_conditions_and_none_says_that_it_is() {
        let unready = |conditions: Value| {
            let value = json!({"metadata": {"name": "a"}, "status": {"conditions": conditions}});
            read(value).unwrap().1.readiness.unready
        };
        assert!(!unready(json!([])));
        assert!(!unready(json!([{"type": "Ready", "status": "True"}])));
        assert!(unready(json!([{"type": "Ready", "status": "False"}])));
        assert!(unready(json!([{"type": "Initialized", "status": "True"}])));
    }

    #[test]
    fn a_pod_with_a_deletion_timestamp_is_terminating() {
        let metadata = json!({"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"});
        let (_, pod) = read(json!({"metadata": metadata})).unwrap();
        assert!(pod.readiness.terminating);
    }

    #[test]
    fn the_uid_of_a_static_pod_is_the_kubelets() {
        let uid = |metadata: Value| read(json!({ "metadata": metadata })).unwrap().1.uid;
        let (object, pod) = ["1", "2"].map(|digit| digit.repeat(32)).into();
        assert_eq!(
            uid(json!({"name": "a", "uid": object})),
            object.parse().ok()
        );
        let annotations = json!({"kubernetes.io/config.mirror": pod});
        let mirror = json!({"name": "a", "uid": object, "annotations": annotations});
        assert_eq!(uid(mirror), pod.parse().ok());
        assert_eq!(uid(json!({"name": "a", "uid": "by hand"})), None);
    }

    #[test]
    fn host_network_node_and_the_spoofing_exemption_are_read() {
        let (_, pod) = read(json!({
            "metadata": {"name": "a", "annotations": {"enforcer.dev/allow-spoofing": "true"}},
            "spec": {"hostNetwork": true, "nodeName": "n1", "containers": []}
        }))
        .unwrap();
        assert!(pod.host_network && pod.may_spoof);
        assert_eq!(pod.node.as_deref(), Some("n1"));
    }
}
