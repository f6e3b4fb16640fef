//! The objects that the test makes.

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::OURS;
use super::attempt::Target;
use super::cases::{Client, Port, Server};
use super::probe::Timing;

/// Nobody of the image, which has no users.
const NOBODY: u32 = 65_532;

/// The one container of every pod.
pub(super) const CONTAINER: &str = "enforcer";

/// Where a pod goes, and what it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat<'a> {
    pub(super) namespace: &'a str,
    pub(super) node: &'a str,
    pub(super) image: &'a str,
}

/// One of the test's namespaces. The API server itself refuses pods there that want privileges.
pub(super) fn namespace(name: &str) -> Namespace {
    object(json!({
        "metadata": {"name": name, "labels": {
            OURS: "true",
            "pod-security.kubernetes.io/enforce": "restricted",
        }},
    }))
}

/// A pod that serves all ports.
pub(super) fn server(server: Server, seat: Seat<'_>) -> Pod {
    let ports = Port::SERVED.map(|port| {
        json!({"name": port.name(), "containerPort": port.number(), "protocol": port.protocol()})
    });
    let flags = Port::SERVED.map(|port| {
        let flag = port.protocol().to_lowercase();
        format!("--{flag}={}", port.number())
    });
    let args = ["connectivity", "serve"].map(str::to_owned);
    let args: Vec<String> = args.into_iter().chain(flags).collect();
    pod(server.name(), ("app", server.name()), &args, &ports, seat)
}

/// A pod that tries these targets.
pub(super) fn client(
    client: Client,
    name: &str,
    targets: &[Target],
    timing: Timing,
    seat: Seat<'_>,
) -> Pod {
    let mut args = ["connectivity", "probe"].map(str::to_owned).to_vec();
    args.push(format!("--interval-ms={}", timing.interval.as_millis()));
    args.push(format!("--patience-ms={}", timing.patience.as_millis()));
    args.extend(targets.iter().map(ToString::to_string));
    pod(name, ("role", client.role()), &args, &[], seat)
}

/// A pod as the level "restricted" of the Pod Security Standards wants it. The scheduler binds it, so that
/// it is asked about the node's taints and room.
fn pod(
    name: &str,
    (key, value): (&str, &str),
    args: &[String],
    ports: &[Value],
    seat: Seat<'_>,
) -> Pod {
    object(json!({
        "metadata": {
            "namespace": seat.namespace, "name": name,
            "labels": {key: value, "app.kubernetes.io/name": "enforcer-connectivity-test"},
        },
        "spec": {
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [
                    {"key": "metadata.name", "operator": "In", "values": [seat.node]},
                ]}],
            }}},
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": NOBODY, "runAsGroup": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": CONTAINER, "image": seat.image, "args": args, "ports": ports,
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"memory": "128Mi"},
                },
            }],
        },
    }))
}

/// A server's service, in as many families as the cluster has.
pub(super) fn service(server: Server, namespace: &str) -> Service {
    object(json!({
        "metadata": {"namespace": namespace, "name": server.name()},
        "spec": {
            "selector": {"app": server.name()},
            "ipFamilyPolicy": "PreferDualStack",
            "ports": [{"name": "web", "port": Port::Service.number(), "targetPort": "web"}],
        },
    }))
}

/// What is written here has the type's fields; a test makes all of them.
fn object<T: DeserializeOwned + Default>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SEAT: Seat<'_> = Seat {
        namespace: "test",
        node: "node-1",
        image: "enforcer:1",
    };

    #[test]
    fn every_object_is_of_its_type() {
        assert_eq!(namespace("a").metadata.name.as_deref(), Some("a"));
        assert!(service(Server::Green, "a").spec.is_some());
        let timing = Timing {
            interval: Duration::from_millis(250),
            patience: Duration::from_secs(1),
        };
        let targets = ["tcp://10.0.0.1:80".parse().unwrap()];
        let probe = client(Client::Guest, "guest-a", &targets, timing, SEAT);
        let args = probe.spec.unwrap().containers.remove(0).args.unwrap();
        let words = "connectivity probe --interval-ms=250 --patience-ms=1000 tcp://10.0.0.1:80";
        assert_eq!(args.join(" "), words);
    }

    #[test]
    fn a_server_names_its_ports_and_serves_each() {
        let pod = server(Server::Blue, SEAT);
        let container = pod.spec.unwrap().containers.remove(0);
        let args = container.args.unwrap().join(" ");
        let words = "connectivity serve --tcp=8080 --tcp=8081 --tcp=8082 --udp=5353";
        assert_eq!(args, words);
        let ports = container.ports.unwrap();
        let names = ports.iter().map(|port| port.name.as_deref().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["web", "admin", "extra", "dns"]);
    }
}
