//! What is written about services.

use serde_json::json;

use crate::command::Folder;

/// `client` may reach version 1 of `web`, which listens on 8080 behind port 80; `web` has affinity.
const CLUSTER: &str = r"
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.244.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b1, labels: {app: web, v: '1'}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.244.0.3}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b2, labels: {app: web, v: '2'}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.244.0.4}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.10
  externalIPs: [198.51.100.1]
  selector: {app: web}
  sessionAffinity: ClientIP
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 30080}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {clusterIP: 10.96.0.11, selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: early}
spec: {selector: {v: '1'}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {v: '1'}}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: db.example}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client-out}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {matchLabels: {v: '1'}}}]
    ports: [{port: 8080}]
";

fn cluster() -> Folder {
    Folder::with(CLUSTER)
}

#[test]
fn each_backend_has_its_verdict_and_the_rule_that_decides() {
    let run = cluster().trace("--from default/client --to svc/default/web:80");
    let expected = "\
DIFFERS: default/client → svc/default/web:80 TCP port 80

service default/web port http by its cluster address 10.96.0.10: 1 of 2 backends reached
  egress policies are asked about the backend, not about the service
  session affinity: the same backend again within 10800 seconds

allow: pod default/b1 (10.244.0.3 port 8080)
  egress of default/client: allow, a rule allows it
    isolated by default/client-out
    allowed by default/client-out spec.egress[0]
  ingress of the backend, pod default/b1: allow, no policy isolates it in this direction

deny: pod default/b2 (10.244.0.4 port 8080)
  egress of default/client: deny, no rule allows it
    isolated by default/client-out
    nearest is default/client-out spec.egress[0], but
      peer has v=2, rule wants v=1
  ingress of the backend, pod default/b2: allow, no policy isolates it in this direction
";
    assert_eq!((run.out.as_str(), run.code), (expected, 3), "{}", run.err);
}

#[test]
fn json_has_the_service_and_its_backends() {
    let run = cluster().trace("--from client --to 10.96.0.10 --port 80 --output json");
    let answer: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(answer["verdict"], "differs");
    assert_eq!(answer["at_sender"], "deferred");
    assert_eq!(
        answer["service"],
        json!({
            "name": "default/web", "port": "http", "reached_by": "cluster address",
            "address": "10.96.0.10", "affinity_seconds": 10800, "masqueraded": false,
        })
    );
    let backend = &answer["backends"][0];
    assert_eq!(backend["address"], "10.244.0.3");
    assert_eq!(backend["port"], 8080);
    assert_eq!(backend["verdict"], "allow");
    assert_eq!(
        backend["egress"]["allowed_by"],
        json!({"policy": "default/client-out", "rule": "spec.egress[0]"})
    );
    assert_eq!(backend["ingress"]["who"], "pod default/b1");
    assert_eq!(answer["without_backend"], json!(null));
    assert_eq!(answer["egress"], json!(null));
}

#[test]
fn every_way_to_a_service_leads_to_its_backends() {
    let folder = cluster();
    for (to, by, masqueraded) in [
        ("svc/default/web:80", "cluster address", false),
        ("10.96.0.10:80", "cluster address", false),
        ("198.51.100.1:80", "external address", true),
        ("192.168.0.1:30080", "node port", true),
    ] {
        let run = folder.trace(&format!("--from client --to {to} --output json"));
        let answer: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(answer["service"]["reached_by"], by, "{to}");
        assert_eq!(answer["service"]["masqueraded"], masqueraded, "{to}");
        assert_eq!(run.code, 3, "{to}");
    }
}

#[test]
fn all_or_none_of_the_backends_decide_the_exit_code() {
    let folder = cluster();
    let code = |from: &str, to: &str| folder.trace(&format!("--from {from} --to {to}")).code;
    assert_eq!(code("b1", "svc/default/web:80"), 0);
    assert_eq!(code("client", "svc/default/headless:8080"), 0);
    assert_eq!(code("client", "svc/default/headless:80"), 1);
    assert_eq!(code("client", "svc/default/nobody:80"), 1);
}

#[test]
fn without_a_backend_it_says_what_the_proxy_does() {
    let run = cluster().trace("--from client --to svc/default/nobody:80");
    let expected = "\
DENIED: client → svc/default/nobody:80 TCP port 80

service default/nobody by its cluster address 10.96.0.11: 0 of 0 backends reached
  egress policies are asked about the backend, not about the service
  kube-proxy refuses the connection: the service has no ready endpoint
";
    assert_eq!((run.out.as_str(), run.code), (expected, 1), "{}", run.err);
}

#[test]
fn a_service_that_waits_for_its_address_can_be_asked_about() {
    let run = cluster().trace("--from client --to svc/default/early:80");
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let note = "note: default/early has no cluster address yet";
    assert!(run.out.contains(note), "{}", run.out);
}

#[test]
fn a_port_that_is_no_port_of_the_service_is_judged_by_the_blocks_that_cover_the_address() {
    let run = cluster().trace("--from client --to 10.96.0.10:81");
    assert_eq!(run.code, 1, "{}", run.out);
    let note =
        "note: 10.96.0.10 belongs to the service default/web, but nobody translates TCP port 81";
    assert!(run.out.contains(note), "{}", run.out);
    assert!(run.out.contains("no rule allows it"), "{}", run.out);
}

#[test]
fn what_is_no_service_is_said() {
    let folder = cluster();
    for (arguments, expected) in [
        (
            "--from client --to svc/default/x:80",
            "there is no service default/x",
        ),
        (
            "--from client --to svc/default/web:81",
            "its ports are TCP 80",
        ),
        ("--from client --to svc/default/web", "TCP needs a port"),
        (
            "--from client --to svc/default/web --protocol ICMP",
            "ports of TCP, UDP and SCTP only",
        ),
        (
            "--from client --to svc/default/elsewhere:80",
            "ExternalName",
        ),
        (
            "--from svc/default/web --to client --port 80",
            "connects to nobody",
        ),
        (
            "--from client --to svc/default/web:80 --port 81",
            "another port",
        ),
        (
            "--from client --to svc/default/ --port 81",
            "svc/NAMESPACE/NAME",
        ),
    ] {
        let run = folder.trace(arguments);
        assert_eq!(run.code, 2, "{arguments}: {}", run.out);
        assert!(run.err.contains(expected), "{arguments}: {}", run.err);
    }
}
