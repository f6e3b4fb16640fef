//! Three pods, two policies, and seven flows between them, each with a name.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::process::Output;

use enforcer_flows::{Protocol, Record, Verdict};
use enforcer_lab::probe::udp_ask;
use enforcer_lab::{Families, Outcome, Pod, Server, Shape};
use serde_json::{Value, json};

use crate::common::{LONG, Node, app, connects, eventually, pings, serve};

pub(crate) const UDP_PORT: u16 = 53;

/// The flows of [`Shop::traffic`].
pub(crate) const ALL: [&str; 7] = [
    API_53,
    API_80,
    API_81,
    WEB_80_IN,
    WEB_80_OUT,
    WEB_PING_IN,
    WEB_PING_OUT,
];
pub(crate) const API_53: &str = "api → db UDP 53 allowed in";
pub(crate) const API_80: &str = "api → db TCP 80 allowed in";
pub(crate) const API_81: &str = "api → db TCP 81 denied in";
pub(crate) const WEB_80_IN: &str = "web → db TCP 80 denied in";
pub(crate) const WEB_80_OUT: &str = "web → db TCP 80 allowed out";
pub(crate) const WEB_PING_IN: &str = "web → db ICMP denied in";
pub(crate) const WEB_PING_OUT: &str = "web → db ICMP allowed out";

/// `default/web` of a deployment, `default/api` of a stateful set, and `prod/db`, which takes api at
/// two ports. What web sends is judged too, and allowed.
pub(crate) struct Shop {
    // Servers and daemon go before the pods.
    _servers: (Server, Server),
    pub(crate) node: Node,
    pub(crate) web: Pod,
    pub(crate) api: Pod,
    pub(crate) db: Pod,
}

fn object(namespace: &str, pod: &Pod, metadata: Value) -> Value {
    let mut metadata = metadata;
    metadata["namespace"] = json!(namespace);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": "n1", "containers": [{"name": "main"}]},
        "status": {"podIPs": [{"ip": pod.v4().unwrap()}]}})
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true}])
}

impl Shop {
    /// With a daemon that has these arguments, and no traffic yet.
    pub(crate) fn open(arguments: &str) -> Self {
        let mut node = Node::new(Shape::Ptp, Families::V4);
        let [web, api, db] = ["web", "api", "db"].map(|name| node.lab.add_pod(name).unwrap());
        node.put(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
        let labels = json!({"app": "web", "pod-template-hash": "5d4f"});
        let metadata = json!({"name": "web", "labels": labels, "ownerReferences": owner("ReplicaSet", "web-5d4f")});
        node.put(&object("default", &web, metadata));
        let metadata = json!({"name": "api", "labels": {"app": "api"},
            "ownerReferences": owner("StatefulSet", "api")});
        node.put(&object("default", &api, metadata));
        let metadata = json!({"name": "db", "labels": {"app": "db", "tier": "data"}});
        node.put(&object("prod", &db, metadata));
        let mut from = app("api");
        from["namespaceSelector"] = json!({});
        let ports = json!([{"port": 80}, {"port": UDP_PORT, "protocol": "UDP"}]);
        node.put(
            &json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "db", "namespace": "prod"},
            "spec": {"podSelector": {}, "ingress": [{"from": [from], "ports": ports}]}}),
        );
        node.put(
            &json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "web"},
            "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"],
                "egress": [{}]}}),
        );
        let udp = Server::start(&db, enforcer_lab::Protocol::Udp, UDP_PORT).unwrap();
        let servers = (serve(&db, 80), udp);
        node.start(&format!("--node n1 --each-denial {arguments}"));
        Self {
            _servers: servers,
            node,
            web,
            api,
            db,
        }
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.db.v4().unwrap()
    }

    /// Makes all flows and waits until each has its record.
    pub(crate) fn traffic(&self) {
        let to = self.address();
        connects(&self.api, to, 80, true);
        connects(&self.api, to, 81, false);
        connects(&self.web, to, 80, false);
        pings(&self.web, to, false);
        let answer = udp_ask(&self.api, SocketAddr::new(to, UDP_PORT), LONG).unwrap();
        assert_eq!(answer, Outcome::Connected);
        let all = ALL.map(str::to_owned).into();
        eventually("every flow has its record", || {
            self.names(&[]).is_superset(&all)
        });
        assert_eq!(self.names(&[]), all);
    }

    /// What `enforcer flows` does with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.node.verb(&[&["flows"], arguments].concat())
    }

    /// What it prints.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        assert_eq!(errors, "", "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The records that it prints.
    pub(crate) fn records(&self, arguments: &[&str]) -> Vec<Record> {
        let text = self.text(&[&["--output", "json"], arguments].concat());
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The names of these: a packet may be sent twice.
    pub(crate) fn names(&self, arguments: &[&str]) -> BTreeSet<String> {
        self.records(arguments).iter().map(name).collect()
    }
}

/// The name of a record's flow.
pub(crate) fn name(record: &Record) -> String {
    let pod = |party: &enforcer_flows::Party| party.pod().unwrap().name.to_string();
    let port = match (record.protocol, record.destination.port) {
        (Protocol::TCP | Protocol::UDP, Some(port)) => format!(" {port}"),
        (_, port) => port.map_or(String::new(), |port| format!(" {port}?")),
    };
    let way = if record.is_at("default/web") {
        "out"
    } else {
        assert!(record.is_at("prod/db"), "{record}");
        "in"
    };
    let verdict = match record.verdict() {
        Verdict::Allowed => "allowed",
        Verdict::Denied => "denied",
        Verdict::Audit => "audit",
    };
    format!(
        "{} → {} {}{port} {verdict} {way}",
        pod(&record.source),
        pod(&record.destination),
        record.protocol
    )
}
