//! A node of a cluster, with its daemon and its pods.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use enforcer::api::{Status, client};
use enforcer_cluster::{Account, ControlPlane, FaultProxy, Objects, Options};
use enforcer_lab::{Daemon, Families, Lab, Pod, Shape};
use serde_json::{Value, json};

use crate::common::live::Live;
use crate::common::{LONG, PROGRAM, eventually, within};

/// Everything that users install.
const MANIFESTS: &str = include_str!("../../../deploy/manifests/enforcer.yaml");

/// What the daemon's service account is called there.
pub(crate) const ACCOUNT: [&str; 2] = ["enforcer-system", "enforcer"];

/// A control plane on which users have installed enforcer.
pub(crate) fn installed(options: &Options) -> ControlPlane {
    let plane = ControlPlane::start(options).unwrap();
    plane.apply(MANIFESTS).unwrap();
    plane
}

/// That of the tests that do it no harm. Each has a node and a namespace of its own.
pub(crate) static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| installed(&Options::default()));

/// Pods of different tests have different addresses: they all are in one cluster.
static SUBNETS: AtomicU8 = AtomicU8::new(1);

/// A node, its daemon, and a namespace with pods.
pub(crate) struct World {
    pub(crate) daemon: Option<Daemon>,
    pub(crate) proxy: FaultProxy,
    pub(crate) account: Account,
    pub(crate) objects: Objects,
    pub(crate) lab: Lab,
    /// The name of the node and of the namespace.
    pub(crate) name: &'static str,
    subnet: u8,
    pods: Cell<u8>,
}

impl World {
    /// A node whose daemon runs and has told everything.
    pub(crate) fn new(plane: &ControlPlane, name: &'static str) -> Self {
        let mut world = Self::without_daemon(plane, name);
        world.start();
        world
    }

    pub(crate) fn without_daemon(plane: &ControlPlane, name: &'static str) -> Self {
        let objects = plane.objects().unwrap();
        objects.put(&namespace(name, &json!({}))).unwrap();
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
        objects.put(&node).unwrap();
        // Made by the controllers; pods wait for it.
        let words = ["get", "serviceaccount", "default", "-n", name];
        within(LONG * 6, "a service account for pods", || {
            plane.kubectl(&words).is_ok()
        });
        let lab = Lab::new(Shape::Ptp, Families::V4).unwrap();
        let proxy = FaultProxy::start_in(plane, &lab, Ipv4Addr::LOCALHOST.into()).unwrap();
        let [space, account] = ACCOUNT;
        let hour = Duration::from_secs(3600);
        let account = plane
            .service_account_kubeconfig(space, account, hour, &proxy.url())
            .unwrap();
        Self {
            daemon: None,
            proxy,
            account,
            objects,
            lab,
            name,
            subnet: SUBNETS.fetch_add(1, Ordering::Relaxed),
            pods: Cell::new(1),
        }
    }

    /// Starts the daemon and waits until everything is in force.
    pub(crate) fn start(&mut self) {
        let daemon = self.launch();
        daemon.wait_ready(LONG * 3).unwrap();
        self.daemon = Some(daemon);
    }

    pub(crate) fn launch(&self) -> Daemon {
        let kubeconfig = self.account.kubeconfig().display();
        let [space, daemonset] = ACCOUNT;
        let arguments = format!(
            "--kubeconfig {kubeconfig} --node {} --daemonset {space}/{daemonset}",
            self.name
        );
        self.lab.start(Path::new(PROGRAM), &arguments).unwrap()
    }

    /// A pod of the namespace with the label `app: NAME`, that runs.
    pub(crate) fn pod(&self, name: &str) -> Pod {
        let number = self.pods.get() + 1;
        self.pods.set(number);
        let address = IpAddr::from(Ipv4Addr::new(10, 244, self.subnet, number));
        let pod = self.lab.add_pod_with(name, &[address]).unwrap();
        self.put_pod(name, &json!({"app": name}), Some(address));
        pod
    }

    /// Makes a pod's object; with an address, it runs.
    pub(crate) fn put_pod(&self, name: &str, labels: &Value, address: Option<IpAddr>) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.name, "labels": labels},
        });
        let mut whole = pod.clone();
        let container = json!({"name": "main", "image": "main"});
        whole["spec"] = json!({"nodeName": self.name, "containers": [container]});
        self.objects.put(&whole).unwrap();
        if let Some(address) = address {
            pod["status"] =
                json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]});
            self.objects.put_status(&pod).unwrap();
        }
    }

    /// Puts an object into the namespace.
    pub(crate) fn put(&self, object: &Value) {
        self.objects.put(&self.here(object)).unwrap();
    }

    pub(crate) fn remove(&self, object: &Value) {
        self.objects.remove(&self.here(object)).unwrap();
    }

    fn here(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(self.name);
        object
    }

    /// What the daemon says.
    pub(crate) fn status(&self) -> Status {
        client::status(&self.lab.home().join("socket"), false).unwrap()
    }

    /// Waits until the daemon enforces its pods as the policies with these names say.
    pub(crate) fn wait_for_policy(&self, name: &str, there: bool) {
        let key = format!("{}/{name}", self.name);
        eventually(&format!("policy {key}: {there}"), || {
            let status = self.status();
            let known = status.policies.iter().any(|policy| policy.policy == key);
            known == there && status.in_force
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            println!("The daemon's log:\n{}", daemon.log());
        }
    }
}

pub(crate) fn namespace(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    })
}

/// Makes a change that cuts a connection, and tells how long it went on. What the API server takes
/// for the change is part of that.
pub(crate) fn cut_by(what: &str, live: &Live, change: impl FnOnce()) {
    let begin = Instant::now();
    change();
    let time = live.is_cut_within(LONG).saturating_duration_since(begin);
    println!("{what}: no answer later than {time:?} after it was sent");
}
