//! What is written, for people and for programs.

use serde_json::json;

use crate::command::{Folder, refusal};

/// `api` may reach `db` on 3306; `web` may reach nothing but DNS; `agent` shares its node's network.
const CLUSTER: &str = r"
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, labels: {role: db}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.244.0.4}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, labels: {role: api}}
spec: {nodeName: n2}
status: {podIPs: [{ip: 10.244.0.3}, {ip: 'fd00::3'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {role: web}}
status: {podIPs: [{ip: 10.244.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent}
spec: {hostNetwork: true, nodeName: n1}
status: {podIPs: [{ip: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: remote-agent}
spec: {hostNetwork: true, nodeName: n2}
status: {podIPs: [{ip: 192.168.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job}
status: {phase: Succeeded, podIPs: [{ip: 10.244.0.9}]}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting}
---
apiVersion: v1
kind: Pod
metadata: {name: six}
status: {podIPs: [{ip: 'fd00::6'}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db-policy}
spec:
  podSelector: {matchLabels: {role: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {role: backup}}}]
    ports: [{port: 873}]
  - from: [{podSelector: {matchLabels: {role: api}}}]
    ports: [{port: 3306}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-out}
spec:
  podSelector: {matchLabels: {role: web}}
  policyTypes: [Egress]
  egress:
  - ports: [{port: 53, protocol: UDP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: not-looked-at}
";

fn cluster() -> Folder {
    Folder::with(CLUSTER)
}

#[test]
fn an_allowed_connection_names_the_rule_that_allows_it() {
    let run = cluster().trace("--from default/api --to default/db --port 3306");
    let expected = "\
ALLOWED: default/api → default/db TCP port 3306

egress of default/api: allow, no policy isolates it in this direction

ingress of default/db: allow, a rule allows it
  isolated by default/db-policy
  allowed by default/db-policy spec.ingress[1]
";
    assert_eq!((run.out.as_str(), run.code), (expected, 0), "{}", run.err);
    assert_eq!(run.err, "");
}

#[test]
fn a_denied_connection_names_the_nearest_rule_and_what_it_lacks() {
    let run = cluster().trace("--from api --to db --port 3307");
    let expected = "\
DENIED: api → db TCP port 3307

egress of api, pod default/api: allow, no policy isolates it in this direction

ingress of db, pod default/db: deny, no rule allows it
  isolated by default/db-policy
  nearest is default/db-policy spec.ingress[1], but
    port 3307 given, rule allows 3306
";
    assert_eq!((run.out.as_str(), run.code), (expected, 1), "{}", run.err);
}

#[test]
fn json_has_both_ends() {
    let run = cluster().trace("--from web --to db --port 3306 --output json");
    let answer: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        answer,
        json!({
            "from": "web", "to": "db", "protocol": "TCP", "port": 3306, "verdict": "deny",
            "egress": {
                "who": "pod default/web",
                "verdict": "deny", "isolated": true, "policies": ["default/web-out"],
                "allowed_by": null, "reason": "policy-denied",
                "nearest": {"policy": "default/web-out", "rule": "spec.egress[0]",
                    "lacks": ["protocol TCP given, rule is for UDP"]},
            },
            "ingress": {
                "who": "pod default/db",
                "verdict": "deny", "isolated": true, "policies": ["default/db-policy"],
                "allowed_by": null, "reason": "policy-denied",
                "nearest": {"policy": "default/db-policy", "rule": "spec.ingress[1]",
                    "lacks": ["peer has role=web, rule wants role=api"]},
            },
        })
    );
    assert_eq!(run.code, 1);
}

#[test]
fn an_end_that_is_no_pod_allows_everything() {
    let folder = cluster();
    for (outside, who) in [
        ("192.0.2.1", "outside the cluster"),
        ("192.168.0.1", "node n1"),
        ("default/agent", "node n1"),
    ] {
        let run = folder.trace(&format!(
            "--from {outside} --to web --port 80 --output json"
        ));
        let answer: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(
            answer["egress"],
            json!({
                "who": who,
                "verdict": "allow", "isolated": false, "policies": [], "allowed_by": null,
                "reason": "not-a-pod", "nearest": null,
            }),
            "{outside}"
        );
    }
}

#[test]
fn a_pods_own_node_reaches_it_under_any_name() {
    let folder = cluster();
    for node in ["default/agent", "192.168.0.1"] {
        let run = folder.trace(&format!("--from {node} --to db --port 1"));
        assert_eq!(run.code, 0, "{}", run.out);
        assert!(run.out.contains("its own node"), "{}", run.out);
    }
    for other in ["default/remote-agent", "192.168.0.2", "192.0.2.1"] {
        let run = folder.trace(&format!("--from {other} --to db --port 1"));
        assert_eq!(run.code, 1, "{other}: {}", run.out);
    }
}

#[test]
fn the_address_of_a_hostnetwork_pod_is_its_node_even_without_a_node_object() {
    let policy = r"
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api-out}
spec: {podSelector: {matchLabels: {role: api}}, policyTypes: [Egress]}
";
    let folder = Folder::with(&format!("{CLUSTER}{policy}"));
    for node in ["192.168.0.2", "remote-agent"] {
        let run = folder.trace(&format!("--from api --to {node} --port 10250"));
        assert_eq!(run.code, 0, "{}", run.out);
    }
    let run = folder.trace("--from api --to agent --port 10250");
    assert_eq!(run.code, 1, "{}", run.out);
}

#[test]
fn the_address_of_a_pod_is_that_pod() {
    let run = cluster().trace("--from 10.244.0.3 --to 10.244.0.4 --port 3306");
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("spec.ingress[1]"), "{}", run.out);
}

#[test]
fn a_pod_reaches_itself() {
    let run = cluster().trace("--from db --to 10.244.0.4 --port 1");
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("always reaches itself"), "{}", run.out);
}

#[test]
fn ends_that_cannot_be_asked_about_are_told_clearly() {
    let folder = cluster();
    for (ends, what) in [
        ("--from nobody --to db", "there is no pod default/nobody"),
        ("--from shop/api --to db", "there is no pod shop/api"),
        ("--from six --to db", "no address family in common"),
        (
            "--from a/b/c --to db",
            "neither NAMESPACE/POD nor an address",
        ),
    ] {
        let run = folder.trace(&format!("{ends} --port 80"));
        assert_eq!(run.code, 2, "{ends}");
        assert!(run.err.contains(what), "{ends}: {}", run.err);
        assert_eq!(run.out, "");
    }
}

#[test]
fn a_pod_without_an_address_is_judged_by_its_labels_and_that_is_told() {
    let waiting = "
---
apiVersion: v1
kind: Pod
metadata: {name: new-api, labels: {role: api}}
status: {phase: Pending}
";
    let folder = Folder::with(&format!("{CLUSTER}{waiting}"));
    for (from, code) in [("new-api", 0), ("waiting", 1)] {
        let run = folder.trace(&format!("--from {from} --to db --port 3306"));
        assert_eq!(run.code, code, "{}", run.err);
        let note = format!("\nnote: default/{from} has no address");
        assert!(run.out.contains(&note), "{}", run.out);
    }
    let run = folder.trace("--from waiting --to six --port 1");
    assert_eq!(run.code, 0, "either family will do: {}", run.err);
}

#[test]
fn a_pod_that_has_ended_is_only_an_address_and_that_is_told() {
    let ended = "
---
apiVersion: v1
kind: Pod
metadata: {name: old-api, labels: {role: api}}
status: {phase: Failed, podIPs: [{ip: 10.244.0.8}]}
---
apiVersion: v1
kind: Pod
metadata: {name: old-db, labels: {role: db}}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Pod
metadata: {name: old-agent}
spec: {hostNetwork: true, nodeName: n1}
status: {phase: Failed}
";
    let folder = Folder::with(&format!("{CLUSTER}{ended}"));
    for (ends, code) in [
        ("--from old-api --to db", 1),
        ("--from web --to old-db", 1),
        ("--from api --to old-db", 0),
        ("--from old-agent --to db", 1),
    ] {
        let run = folder.trace(&format!("{ends} --port 3306"));
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.out.contains("has ended"), "{}", run.out);
        assert!(run.out.contains("it is none"), "{}", run.out);
    }
}

#[test]
fn icmp_is_denied_by_rules_with_ports() {
    let folder = cluster();
    let run = folder.trace("--from api --to db --protocol ICMP");
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(run.out.starts_with("DENIED: api → db ICMP\n"));
    let run = folder.trace("--from api --to web --protocol icmp");
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn a_batch_answers_every_line_in_order_and_goes_on_after_errors() {
    let questions = r#"{"from": "default/api", "to": "default/db", "protocol": "TCP", "port": 3306}
{"from": "default/nobody", "to": "default/db", "protocol": "TCP", "port": 3306}

not json
{"from": "api", "to": "db", "protocol": "TCP", "port": 3306, "prot": 1}
{"from": "api", "to": "db", "protocol": "TCP", "port": 70000}
{"from": "api", "to": "db", "protocol": "GRE"}
{"from": "api", "to": "db", "protocol": "47"}"#;
    let run = cluster().batch(questions, "");
    let lines = run.lines();
    assert_eq!(run.code, 2);
    assert_eq!(lines.len(), 7, "{}", run.out);
    assert_eq!(lines[0]["verdict"], "allow");
    assert_eq!(lines[1]["from"], "default/nobody");
    let numbers: Vec<_> = lines[1..6]
        .iter()
        .map(|line| line["line"].as_u64())
        .collect();
    assert_eq!(numbers, [2, 4, 5, 6, 7].map(Some));
    assert!(lines[1..6].iter().all(|line| line["error"].is_string()));
    assert_eq!(
        (&lines[6]["protocol"], &lines[6]["verdict"]),
        (&json!("47"), &json!("deny"))
    );
}

#[test]
fn a_batch_that_was_answered_exits_with_0_whatever_the_verdicts() {
    let run = cluster().batch(r#"{"from": "web", "to": "db", "port": 3306}"#, "");
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
}

#[test]
fn an_object_with_an_error_is_left_out_and_told() {
    let broken = "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: broken}
spec: {podSelector: {}, policyTypes: [Sideways]}
";
    let folder = Folder::with(&format!("{CLUSTER}{broken}"));
    let run = folder.trace("--from api --to db --port 3306");
    assert_eq!(run.code, 0);
    assert!(run.err.contains("default/broken"), "{}", run.err);
    let strict = folder.trace("--from api --to db --port 3306 --strict");
    assert_eq!((strict.code, strict.out.as_str()), (2, ""));
}

#[test]
fn without_manifests_there_is_no_answer() {
    let folder = cluster();
    std::fs::remove_file(folder.manifests().join("all.yaml")).unwrap();
    let run = folder.trace("--from 192.0.2.1 --to 192.0.2.2 --port 1");
    assert_eq!(run.code, 2);
    assert!(run.err.contains("no manifests"), "{}", run.err);
}

/// Needs root: the programs are loaded.
#[test]
fn the_kernel_gives_the_same_answers_to_the_letter() {
    let questions = r#"{"from": "api", "to": "db", "port": 3306}
{"from": "api", "to": "db", "port": 1}
{"from": "web", "to": "192.0.2.1", "protocol": "UDP", "port": 53}
{"from": "web", "to": "db", "protocol": "SCTP", "port": 53}
{"from": "agent", "to": "db", "protocol": "ICMP"}
{"from": "db", "to": "db", "port": 7}
{"from": "fd00::1", "to": "six", "protocol": "ICMP"}
{"from": "waiting", "to": "six", "port": 1}
{"from": "job", "to": "db", "port": 3306}
{"from": "nobody", "to": "six"}"#;
    let folder = cluster();
    let kernel = folder.batch(questions, "--kernel");
    assert_eq!(
        kernel.out,
        folder.batch(questions, "").out,
        "{}",
        kernel.err
    );
}

#[test]
fn a_change_and_a_question_are_not_asked_at_once() {
    for (arguments, words) in [
        ("--cut p.yaml --from a --to b", "--cut"),
        ("--cut p.yaml --manifests .", "--cut"),
        ("--cut p.yaml --kernel", "--cut"),
        ("--manifests . --from a --to b --prune", "cannot be used"),
        (
            "--manifests . --from a --to b --delete Pod a",
            "cannot be used",
        ),
        ("--cut --delete Pod", "--delete"),
        ("--from a --to b", "--manifests"),
        ("--manifests .", "--from"),
    ] {
        let refusal = refusal(arguments);
        assert!(refusal.contains(words), "{arguments:?}: {refusal:?}");
    }
    for arguments in [
        "--cut",
        "--cut p.yaml q/ --prune",
        "--cut --delete Pod a --delete Node b --output json",
        "--cut p.yaml --socket /run/other.sock",
    ] {
        assert_eq!(refusal(arguments), "", "{arguments:?}");
    }
}

#[test]
fn a_change_without_a_daemon_is_an_error_that_says_so() {
    let args = "--cut --delete Pod a --socket /nonexistent/socket";
    let run = crate::command::run_alone(args);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("no daemon answers"), "{}", run.err);
}
