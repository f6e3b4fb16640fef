//! What the wire tests share: a lab with the real daemon in it, manifests, patience.

pub(crate) mod echo;
pub(crate) mod frames;
pub(crate) mod live;
pub(crate) mod route;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use enforcer::api::{Status, client};
use enforcer_lab::probe::{ping, tcp_connect};
use enforcer_lab::{Daemon, Families, Lab, LabError, Namespace, Outcome, Pod, Server, Shape};
use serde_json::{Value, json};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_enforcer");
/// Enough for anything that works, on a busy machine or an emulated one too.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Enough to see that something does not.
pub(crate) const SHORT: Duration = Duration::from_millis(400);
/// A bridge as Flannel has it.
pub(crate) const BRIDGE: Shape = Shape::Bridge { netfilter: false };

/// A bridge whose IP packets netfilter sees too, as kube-proxy wants it.
pub(crate) const FILTERED_BRIDGE: Shape = Shape::Bridge { netfilter: true };

/// A lab with a daemon. What is made in it goes before it.
pub(crate) struct Node {
    pub(crate) daemon: Option<Daemon>,
    pub(crate) lab: Lab,
}

impl Node {
    /// A lab without a daemon.
    pub(crate) fn new(shape: Shape, families: Families) -> Self {
        Self {
            daemon: None,
            lab: Lab::new(shape, families).unwrap(),
        }
    }

    /// Starts a daemon and waits until it is in force. It cleans up when it is stopped only if the
    /// arguments say so.
    pub(crate) fn start(&mut self, arguments: &str) {
        let daemon = self.launch(arguments);
        daemon.wait_ready(LONG * 2).unwrap();
        self.daemon = Some(daemon);
    }

    /// Starts a daemon.
    pub(crate) fn launch(&self, arguments: &str) -> Daemon {
        self.lab.start(Path::new(PROGRAM), arguments).unwrap()
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// Waits until all manifests are in force; fails when they have problems.
    pub(crate) fn settle(&self) {
        self.daemon().wait_ready(LONG).unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.lab.home().join("socket")
    }

    /// What the daemon says, without reading anything anew before.
    pub(crate) fn status(&self) -> Status {
        client::status(&self.socket(), false).unwrap()
    }

    /// Runs another verb against the daemon's socket, whatever becomes of it.
    pub(crate) fn verb(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .arg("--socket")
            .arg(self.socket())
            .output()
            .unwrap()
    }

    /// Packets counted so far under `direction/reason`.
    pub(crate) fn packets(&self, counter: &str) -> u64 {
        self.status().packets.get(counter).copied().unwrap_or(0)
    }

    /// Writes one object as a manifest of its own.
    pub(crate) fn put(&self, object: &Value) {
        self.lab
            .write_manifest(&file_name(object), &object.to_string())
            .unwrap();
    }

    /// Removes an object's manifest.
    pub(crate) fn delete(&self, object: &Value) {
        std::fs::remove_file(self.lab.manifests().join(file_name(object))).unwrap();
    }

    /// Adds a lab pod of the namespace `default` with the label `app: NAME`, and its manifest.
    pub(crate) fn pod(&self, name: &str) -> Pod {
        let pod = self.lab.add_pod(name).unwrap();
        self.put(&pod_object(name, &[("app", name)], &pod.addresses));
        pod
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            println!("The daemon's log:\n{}", daemon.log());
        }
    }
}

/// Whether this kernel has the hook that a test is about; where it has not, the test is listed as
/// skipped.
pub(crate) fn has_hook(hook: &str, test: &str) -> bool {
    if hook != "tcx" {
        return true;
    }
    let asked = Command::new(PROGRAM).args(["debug", "kernel"]).output();
    let output = asked.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    let here = said.contains("hook: tcx");
    if !here {
        enforcer_lab::skip(test, LabError::Unsupported("TCX")).unwrap();
    }
    here
}

/// A pod of the namespace `default`.
pub(crate) fn pod_object(name: &str, labels: &[(&str, &str)], addresses: &[IpAddr]) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    let addresses: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"podIPs": addresses},
    })
}

/// A policy of the namespace `default`.
pub(crate) fn policy(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// A policy that isolates the pods with `app: SUBJECT` towards them, with these rules.
pub(crate) fn ingress(name: &str, subject: &str, rules: &Value) -> Value {
    let spec = json!({
        "podSelector": {"matchLabels": {"app": subject}},
        "policyTypes": ["Ingress"], "ingress": rules,
    });
    policy(name, &spec)
}

/// A rule's peer: pods with `app: NAME`.
pub(crate) fn app(name: &str) -> Value {
    json!({"podSelector": {"matchLabels": {"app": name}}})
}

/// A policy that isolates all pods in both directions.
pub(crate) fn deny_all() -> Value {
    policy(
        "deny-all",
        &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
    )
}

/// The file of an object: the same for all of its versions.
pub(crate) fn file_name(object: &Value) -> String {
    let metadata = &object["metadata"];
    let word = |value: &Value| value.as_str().unwrap_or("default").to_owned();
    format!(
        "{}-{}-{}.json",
        word(&object["kind"]),
        word(&metadata["namespace"]),
        word(&metadata["name"])
    )
}

/// Asks until the answer is yes; fails after [`LONG`].
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(LONG, what, holds);
}

/// Asks until the answer is yes; fails after some time. Gives the time that it took.
pub(crate) fn within(time: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < time, "after {time:?} still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    begin.elapsed()
}

/// Whether a TCP connection to a served port can be made; anything but that and silence fails.
pub(crate) fn connects(from: &Namespace, to: IpAddr, port: u16, expected: bool) {
    let patience = if expected { LONG } else { SHORT };
    let outcome = tcp_connect(from, SocketAddr::new(to, port), patience).unwrap();
    let wanted = if expected {
        Outcome::Connected
    } else {
        Outcome::Timeout
    };
    assert_eq!(
        outcome,
        wanted,
        "{} → {to} port {port}",
        from.path().display()
    );
}

/// Whether an echo request is answered.
pub(crate) fn pings(from: &Namespace, to: IpAddr, expected: bool) {
    let patience = if expected { LONG } else { SHORT };
    let outcome = ping(from, to, patience).unwrap();
    let wanted = if expected {
        Outcome::Connected
    } else {
        Outcome::Timeout
    };
    assert_eq!(outcome, wanted, "{} pings {to}", from.path().display());
}

/// Serves a TCP port.
pub(crate) fn serve(at: &Namespace, port: u16) -> Server {
    Server::start(at, enforcer_lab::Protocol::Tcp, port).unwrap()
}
