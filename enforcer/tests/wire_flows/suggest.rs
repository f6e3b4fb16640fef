//! From recorded flows to policies in force: what was seen goes on, and nothing else passes.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Output;

use enforcer::cli::Output as Form;
use enforcer::cli::check::{CheckArgs, run as check};
use enforcer_flows::Record;
use enforcer_lab::probe::{tcp_connect, udp_ask};
use enforcer_lab::{Families, Namespace, Outcome, Pod, Server, Shape};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::{LONG, Node, SHORT, eventually, pings, policy, serve};

const UDP_PORT: u16 = 53;

/// `default/web-1` and `default/web-2` of a deployment, `default/api`, and `prod/db`.
struct Stage {
    // Servers and daemon go before the pods.
    _servers: Vec<Server>,
    node: Node,
    web: [Pod; 2],
    api: Pod,
    db: Pod,
}

/// Somebody who connects, by which name, to where.
type Try<'a> = (&'a Namespace, &'static str, IpAddr, Port);

#[derive(Clone, Copy, Debug)]
enum Port {
    Tcp(u16),
    Udp,
}

fn object(namespace: &str, pod: &Pod, mut metadata: Value, ports: &Value) -> Value {
    metadata["namespace"] = json!(namespace);
    metadata["name"] = json!(pod.name);
    let ips: Vec<Value> = pod.addresses.iter().map(|ip| json!({"ip": ip})).collect();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "ports": ports}]},
        "status": {"podIPs": ips}})
}

/// Lets everything pass in a namespace, so that it is recorded.
fn observe(namespace: &str) -> Value {
    let types = ["Ingress", "Egress"];
    let spec = json!({"podSelector": {}, "policyTypes": types, "ingress": [{}], "egress": [{}]});
    let mut observe = policy("observe", &spec);
    observe["metadata"]["namespace"] = json!(namespace);
    observe
}

impl Stage {
    fn open(arguments: &str) -> Self {
        let mut node = Node::new(Shape::Ptp, Families::Dual);
        let pods = ["web-1", "web-2", "api", "db"].map(|name| node.lab.add_pod(name).unwrap());
        let [web1, web2, api, db] = pods;
        node.put(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
        let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f",
            "uid": "1", "controller": true}]);
        for web in [&web1, &web2] {
            let labels = json!({"app": "web", "pod-template-hash": "5d4f"});
            let metadata = json!({"labels": labels, "ownerReferences": owner});
            let ports = json!([{"name": "http", "containerPort": 8080}]);
            node.put(&object("default", web, metadata, &ports));
        }
        let labels = |app: &str| json!({"labels": {"app": app}});
        node.put(&object("default", &api, labels("api"), &json!([])));
        node.put(&object("prod", &db, labels("db"), &json!([])));
        for namespace in ["default", "prod"] {
            node.put(&observe(namespace));
        }
        let udp = Server::start(&db, enforcer_lab::Protocol::Udp, UDP_PORT).unwrap();
        let mut servers = vec![udp, serve(&node.lab.outside, 443)];
        for (pod, port) in [
            (&web1, 8080),
            (&web2, 8080),
            (&api, 80),
            (&api, 81),
            (&db, 80),
            (&db, 3306),
        ] {
            servers.push(serve(pod, port));
        }
        node.start(&format!("--node n1 {arguments}"));
        Self {
            _servers: servers,
            node,
            web: [web1, web2],
            api,
            db,
        }
    }

    /// What is recorded: both families, both protocols, both directions across the node's edge.
    fn seen(&self) -> Vec<Try<'_>> {
        let outside = &self.node.lab.outside;
        let [web1, web2] = &self.web;
        vec![
            (web1, "web-1", self.api.v4().unwrap(), Port::Tcp(80)),
            (web2, "web-2", self.api.v6().unwrap(), Port::Tcp(80)),
            (web1, "web-1", self.db.v4().unwrap(), Port::Udp),
            (&self.api, "api", self.db.v6().unwrap(), Port::Tcp(3306)),
            (outside, "outside", web1.v4().unwrap(), Port::Tcp(8080)),
            (
                web2,
                "web-2",
                self.node.lab.outside_addresses()[0],
                Port::Tcp(443),
            ),
        ]
    }

    /// What the suggestion must not allow: another port, another peer, another direction, another namespace.
    fn others(&self) -> Vec<Try<'_>> {
        let outside = &self.node.lab.outside;
        let [web1, web2] = &self.web;
        vec![
            (web1, "web-1", self.api.v4().unwrap(), Port::Tcp(81)),
            (web2, "web-2", self.db.v6().unwrap(), Port::Tcp(3306)),
            (&self.api, "api", self.db.v4().unwrap(), Port::Udp),
            (&self.api, "api", web1.v6().unwrap(), Port::Tcp(8080)),
            (outside, "outside", self.api.v4().unwrap(), Port::Tcp(80)),
            (
                &self.db,
                "db",
                self.node.lab.outside_addresses()[0],
                Port::Tcp(443),
            ),
        ]
    }

    fn verb(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.node.verb(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        output
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.verb(&[arguments, &["--output", "json"]].concat(), code);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Who was denied what since then: client's address, server's address, port.
    fn denied(&self, since: &str) -> BTreeSet<(IpAddr, IpAddr, Option<u16>)> {
        let words = [
            "flows",
            "--verdict",
            "denied",
            "--since",
            since,
            "--output",
            "json",
        ];
        let output = self.verb(&words, 0);
        let text = String::from_utf8(output.stdout).unwrap();
        let records = text
            .lines()
            .map(|line| serde_json::from_str::<Record>(line).unwrap());
        let sides = records.map(|one| {
            let (source, destination) = (one.source.address, one.destination.address);
            (source.unwrap(), destination.unwrap(), one.destination.port)
        });
        sides.collect()
    }

    /// Packets that policies denied, as the kernel counts them.
    fn counted(&self) -> u64 {
        let counters = ["ingress/policy-denied", "egress/policy-denied"];
        counters
            .map(|counter| self.node.packets(counter))
            .iter()
            .sum()
    }

    fn told(&self, since: &str) -> u64 {
        let words = [
            "flows",
            "--verdict",
            "denied",
            "--since",
            since,
            "--output",
            "json",
        ];
        let output = self.verb(&words, 0);
        let text = String::from_utf8(output.stdout).unwrap();
        let records = text
            .lines()
            .map(|line| serde_json::from_str::<Record>(line).unwrap());
        records.map(|one| one.count).sum()
    }
}

fn attempt((from, name, to, port): Try<'_>, expected: bool) {
    let patience = if expected { LONG } else { SHORT };
    let outcome = match port {
        Port::Tcp(port) => tcp_connect(from, SocketAddr::new(to, port), patience),
        Port::Udp => udp_ask(from, SocketAddr::new(to, UDP_PORT), patience),
    };
    let wanted = if expected {
        Outcome::Connected
    } else {
        Outcome::Timeout
    };
    assert_eq!(outcome.unwrap(), wanted, "{name} → {to} {port:?}");
}

fn number(port: Port) -> u16 {
    match port {
        Port::Tcp(port) => port,
        Port::Udp => UDP_PORT,
    }
}

fn passes_check(manifest: PathBuf) {
    let mut said = Vec::new();
    let args = CheckArgs {
        paths: vec![manifest],
        // It warns of pods that do not ask DNS: these do not.
        deny_warnings: false,
        output: Form::Text,
    };
    let code = check(&args, &mut said).unwrap();
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_suggestion_in_force_lets_pass_what_was_seen_and_nothing_else() {
    let stage = Stage::open("");
    let since = Timestamp::now().to_string();
    for one in stage.seen() {
        attempt(one, true);
    }
    // Policies have no words for it.
    pings(&stage.api, stage.db.v4().unwrap(), true);

    // One command, of the daemon alone.
    let suggest = ["policy", "suggest", "--since", &since];
    let whole = || {
        let found = stage.json(&suggest, 3);
        found["connections"] == 7 && found["policies"].as_array().unwrap().len() == 3
    };
    eventually("all is recorded", whole);
    let found = stage.json(&suggest, 3);
    let inexact = found["not_exact"].as_array().unwrap();
    assert_eq!(inexact.len(), 1, "{inexact:?}");
    assert!(inexact[0].as_str().unwrap().contains("ICMP"), "{inexact:?}");
    assert_eq!(found["denied"], json!([]));
    let yaml = stage.verb(&suggest, 3).stdout;
    let lab = &stage.node.lab;
    let yaml = String::from_utf8(yaml).unwrap();
    lab.write_manifest("suggested.yaml", &yaml).unwrap();
    passes_check(lab.manifests().join("suggested.yaml"));
    for namespace in ["default", "prod"] {
        stage.node.delete(&observe(namespace));
    }
    stage.node.settle();

    // Replayed, only the ping is denied.
    let replay = stage.json(&["trace", "--replay", "--since", &since], 3);
    let summary = &replay["summary"];
    assert_eq!(
        (&summary["newly_denied"], &summary["still_allowed"]),
        (&json!(1), &json!(6)),
        "{replay}"
    );
    assert_eq!(replay["differing"][0]["protocol"], "ICMP", "{replay}");

    let since = Timestamp::now().to_string();
    let before = stage.counted();
    for one in stage.seen() {
        attempt(one, true);
    }
    // The deployment's other pod is as good.
    let other = (
        &*stage.web[1],
        "web-2",
        stage.api.v4().unwrap(),
        Port::Tcp(80),
    );
    attempt(other, true);
    assert_eq!(
        (stage.counted() - before, stage.denied(&since)),
        (0, BTreeSet::new()),
        "{yaml}"
    );

    for one in stage.others() {
        attempt(one, false);
    }
    let expected: BTreeSet<(IpAddr, u16)> = stage
        .others()
        .iter()
        .map(|(_, _, to, port)| (*to, number(*port)))
        .collect();
    assert_eq!(expected.len(), stage.others().len());
    eventually("each denial is told", || {
        let denied = stage.denied(&since);
        let denied: BTreeSet<_> = denied
            .iter()
            .map(|(_, to, port)| (*to, port.unwrap()))
            .collect();
        denied == expected && stage.told(&since) == stage.counted() - before
    });
    let denied = stage.json(&["policy", "suggest", "--since", &since], 0);
    assert_eq!(
        denied["denied"].as_array().unwrap().len(),
        expected.len(),
        "{denied}"
    );
}

#[test]
fn a_replay_of_the_daemons_records_names_what_a_change_would_deny() {
    let stage = Stage::open("");
    for one in stage.seen() {
        attempt(one, true);
    }
    let summary = |arguments: &[&str], code| {
        let replay = stage.json(&[&["trace", "--replay"], arguments].concat(), code);
        let summary = &replay["summary"];
        [&summary["still_allowed"], &summary["newly_denied"]].map(|count| count.as_u64().unwrap())
    };
    eventually("all is recorded", || summary(&[], 0) == [6, 0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closed.yaml");
    let closed = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "observe", "namespace": "prod"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    std::fs::write(&path, closed.to_string()).unwrap();
    let path = path.to_str().unwrap();
    // Without another word, db takes nothing; what is not in the file stays.
    assert_eq!(summary(&["--manifests", path], 3), [4, 2]);
    let text = stage
        .verb(&["trace", "--replay", "--manifests", path], 3)
        .stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("WOULD BE DENIED: default/api → prod/db TCP 3306"),
        "{text}"
    );
    assert!(
        text.contains("was allowed               4            2"),
        "{text}"
    );
    // Nothing was changed by asking.
    assert_eq!(
        summary(&["--delete", "NetworkPolicy", "prod/observe"], 0),
        [6, 0]
    );
    attempt(stage.seen()[3], true);
}

#[test]
fn records_that_are_not_kept_any_more_are_counted() {
    let stage = Stage::open("--flow-records 4");
    for one in stage.seen() {
        attempt(one, true);
    }
    let status = || stage.node.status().flows;
    eventually("some are gone", || status().seen >= 10);
    let found = stage.json(&["policy", "suggest"], 0);
    let flows = status();
    assert_eq!(found["records"], 4);
    assert!(
        found["forgotten"].as_u64().unwrap() <= flows.seen - 4,
        "{found}"
    );
    assert!(found["forgotten"].as_u64().unwrap() >= 6, "{found}");
    let output = stage.verb(&["policy", "suggest"], 0);
    let yaml = String::from_utf8(output.stdout).unwrap();
    assert!(
        yaml.contains(" older than what the daemon keeps.\n"),
        "{yaml}"
    );
    assert!(yaml.contains("# The policies may lack"), "{yaml}");
}
