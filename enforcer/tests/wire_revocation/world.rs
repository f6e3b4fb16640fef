//! Four pods: db, whose policy changes; api, which loses what it had; web and ops, which do not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use enforcer_flows::Record;
use enforcer_lab::{Families, Pod, Protocol, Server, Shape};
use serde_json::{Value, json};

use crate::common::{Node, policy, serve};
use crate::talk::{Talk, addresses};

/// The namespace of api; all others are in `default`.
pub(crate) const TEAM: &str = "team";

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) db: Pod,
    pub(crate) api: Pod,
    pub(crate) web: Pod,
    pub(crate) ops: Pod,
    pub(crate) servers: Vec<Server>,
}

/// Where else than at db connections are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolated {
    /// Nowhere: at the server's end of what goes to db, at the client's end of what comes from it.
    Db,
    /// At api too, which allows everything: at both ends.
    Both,
}

/// A pod with a port `main`.
pub(crate) fn pod(name: &str, namespace: &str, pod: &Pod, port: u16) -> Value {
    let addresses: Vec<Value> = pod.addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    let main = |protocol| json!({"name": "main", "containerPort": port, "protocol": protocol});
    // A container's port names are its own: one container for each protocol.
    let containers: Vec<Value> = ["TCP", "UDP", "SCTP"]
        .iter()
        .map(|protocol| json!({"name": protocol.to_lowercase(), "ports": [main(protocol)]}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": containers}, "status": {"podIPs": addresses},
    })
}

pub(crate) fn team(env: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": TEAM, "labels": {"env": env}}})
}

/// A policy of db for both directions, with the same peers and ports.
pub(crate) fn both_ways(name: &str, peers: &Value, ports: &Value) -> Value {
    let rule = |side: &str| {
        let mut rule = json!({ side: peers });
        if !ports.is_null() {
            rule["ports"].clone_from(ports);
        }
        json!([rule])
    };
    policy(
        name,
        &json!({
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": rule("from"), "egress": rule("to"),
        }),
    )
}

/// Pods with a label of any namespace.
pub(crate) fn labelled(app: &str) -> Value {
    json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": app}}}])
}

impl World {
    /// A world in which db lets web and what `revocable` says in and reach it.
    pub(crate) fn new(isolated: Isolated, revocable: impl FnOnce(&Pod) -> Value) -> Self {
        let mut node = Node::new(Shape::Ptp, Families::Dual);
        let [db, api, web, ops] =
            ["db", "api", "web", "ops"].map(|name| node.lab.add_pod(name).unwrap());
        let mut servers: Vec<Server> = [&db, &api, &web, &ops].map(|pod| serve(pod, 80)).into();
        for at in [&db, &api, &web, &ops] {
            servers.push(Server::start(at, Protocol::Udp, 80).unwrap());
        }
        node.put(&team("prod"));
        node.put(&pod("api", TEAM, &api, 80));
        for (name, at) in [("db", &db), ("web", &web), ("ops", &ops)] {
            node.put(&pod(name, "default", at, 80));
        }
        node.put(&both_ways("web", &labelled("web"), &Value::Null));
        node.put(&revocable(&api));
        if isolated == Isolated::Both {
            let spec = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
                "ingress": [{}], "egress": [{}]});
            let mut everything = policy("everything", &spec);
            everything["metadata"]["namespace"] = json!(TEAM);
            node.put(&everything);
        }
        node.start("");
        Self {
            node,
            db,
            api,
            web,
            ops,
            servers,
        }
    }

    /// Conversations of db with api and web, of these two, and of ops, each begun by both.
    pub(crate) fn talks(&self) -> Vec<Talk<'_>> {
        let Self {
            db, api, web, ops, ..
        } = self;
        [
            ("api", "db", api, db),
            ("db", "api", db, api),
            ("web", "db", web, db),
            ("db", "web", db, web),
            ("api", "web", api, web),
            ("web", "api", web, api),
            ("ops", "api", ops, api),
        ]
        .into_iter()
        .map(Talk::open)
        .collect()
    }

    /// Makes a change and asserts that it cuts what db and api say to each other, and nothing else.
    pub(crate) fn cuts_db_and_api(&self, change: impl FnOnce(&Self)) {
        let talks = self.talks();
        change(self);
        self.node.settle();
        let (cut, kept): (Vec<&Talk>, Vec<&Talk>) = talks
            .iter()
            .partition(|talk| talk.is_between(["db", "api"]));
        assert_eq!((cut.len(), kept.len()), (2, 5));
        for talk in cut {
            talk.is_cut();
        }
        for talk in kept {
            talk.goes_on();
        }
        self.only_db_and_api_lost_packets();
    }

    /// Asserts that no packet was dropped but those between db and api.
    fn only_db_and_api_lost_packets(&self) {
        let ends = [addresses(&self.db), addresses(&self.api)];
        let expected: BTreeSet<IpAddr> = ends.concat().into_iter().collect();
        let output = self
            .node
            .verb(&["flows", "--verdict", "denied", "--output", "json"]);
        let lines = String::from_utf8(output.stdout).unwrap();
        let mut denied = 0;
        for line in lines.lines() {
            let record: Record = serde_json::from_str(line).unwrap();
            let ends = [record.source.address, record.destination.address].map(Option::unwrap);
            assert!(ends.iter().all(|end| expected.contains(end)), "{record}");
            denied += 1;
        }
        assert!(denied > 0, "nothing was denied");
    }
}
