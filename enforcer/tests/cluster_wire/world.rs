//! A control plane, two nodes, their kubelets and daemons.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use enforcer_cluster::{
    Account, ClusterError, ControlPlane, FaultProxy, Hook, Kubelet, Options, Part, Programs,
    RunningPod,
};
use enforcer_lab::proxy::{Mode, Proxy, Service};
use enforcer_lab::{Cluster, Daemon, Fabric, Families, Node};

use super::common::{FILTERED_BRIDGE, LONG, PROGRAM, within};

/// Shared, because they take seconds to start. Two, because tests wait for most of their time. Their
/// servers end with the process.
static PLANES: [Shared; 2] = [const { Shared::new() }; 2];

struct Shared {
    plane: LazyLock<Mutex<ControlPlane>>,
    /// A test has left objects.
    used: AtomicBool,
}

impl Shared {
    const fn new() -> Self {
        Self {
            plane: LazyLock::new(|| {
                let plane = ControlPlane::start(&Options::default()).unwrap();
                plane.apply(&shipped()).unwrap();
                Mutex::new(plane)
            }),
            used: AtomicBool::new(false),
        }
    }

    /// The control plane, unless another test has it.
    fn take(&'static self) -> Option<MutexGuard<'static, ControlPlane>> {
        match self.plane.try_lock() {
            Ok(plane) => Some(plane),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

const MANIFESTS: &str = include_str!("../../../deploy/manifests/enforcer.yaml");

/// What tests call their namespaces is theirs; they have this label.
const OURS: &str = "enforcer.test/ours=yes";
const HOUR: Duration = Duration::from_secs(3600);
const LOCALHOST: &str = "127.0.0.1";

/// Everything that is shipped, but the `DaemonSet`: nothing here runs its image.
fn shipped() -> String {
    let all = MANIFESTS.split("\n---\n");
    let kept = all.filter(|one| !is_daemonset(one));
    kept.collect::<Vec<_>>().join("\n---\n")
}

/// The `DaemonSet` that is shipped: its pods are bound to no node by anybody here.
pub(crate) fn daemonset() -> String {
    let mut all = MANIFESTS.split("\n---\n");
    all.find(|one| is_daemonset(one)).unwrap().to_owned()
}

fn is_daemonset(manifest: &str) -> bool {
    manifest.contains("\nkind: DaemonSet\n")
}

/// The world of a test. Pods, load and the like go before it.
pub(crate) struct World {
    pub(crate) daemons: Vec<Option<Daemon>>,
    pub(crate) kubelets: Vec<Kubelet>,
    pub(crate) proxies: Vec<FaultProxy>,
    accounts: Vec<Account>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) plane: MutexGuard<'static, ControlPlane>,
}

impl World {
    /// Two nodes with daemons in force, and these namespaces.
    pub(crate) fn new(namespaces: &[&str], arguments: &str) -> Self {
        Self::with_hook(namespaces, arguments, || Box::new(|_| ()))
    }

    /// The same with kubelets that do something as soon as a pod has its namespace.
    pub(crate) fn with_hook(namespaces: &[&str], arguments: &str, hook: impl Fn() -> Hook) -> Self {
        Self::build(namespaces, arguments, |plane, cluster, node| {
            Kubelet::start_with(plane, cluster, node, hook())
        })
    }

    /// The same with kubelets that run programs in the place of images.
    pub(crate) fn running(namespaces: &[&str], arguments: &str, programs: &Programs) -> Self {
        Self::build(namespaces, arguments, |plane, cluster, node| {
            Kubelet::start_running(plane, cluster, node, programs.clone())
        })
    }

    fn build(
        namespaces: &[&str],
        arguments: &str,
        kubelet: impl Fn(&ControlPlane, &Arc<Cluster>, usize) -> Result<Kubelet, ClusterError>,
    ) -> Self {
        let plane = clean();
        for name in namespaces {
            plane.kubectl(&["create", "namespace", name]).unwrap();
            plane.kubectl(&["label", "namespace", name, OURS]).unwrap();
            let account = ["get", "serviceaccount", "default", "-n", name];
            // Without it, pods are refused. Controllers that were ended before take their time to begin.
            within(LONG * 6, "its service account", || {
                plane.kubectl(&account).is_ok()
            });
        }
        // As kube-proxy wants it: without it, the kernel tracks nothing between pods of a node, and what
        // is under way when a policy comes cannot be told apart.
        let cluster = Cluster::new(2, FILTERED_BRIDGE, Families::Dual, Fabric::Vxlan).unwrap();
        let mut world = Self {
            daemons: Vec::new(),
            kubelets: Vec::new(),
            proxies: Vec::new(),
            accounts: Vec::new(),
            cluster: Arc::new(cluster),
            plane,
        };
        for number in 0..2 {
            let kubelet = kubelet(&world.plane, &world.cluster, number);
            world.kubelets.push(kubelet.unwrap());
            let node = &world.cluster.nodes[number];
            proxy(node, Vec::new());
            let proxy = FaultProxy::start_in(&world.plane, node, LOCALHOST.parse().unwrap());
            let proxy = proxy.unwrap();
            let account = world.plane.service_account_kubeconfig(
                "enforcer-system",
                "enforcer",
                HOUR,
                &proxy.url(),
            );
            world.accounts.push(account.unwrap());
            world.proxies.push(proxy);
            world.daemons.push(None);
            world.launch(number, arguments);
        }
        for daemon in world.daemons.iter().flatten() {
            daemon.wait_ready(LONG * 2).unwrap();
        }
        world
    }

    /// Starts a node's daemon, instead of the one that runs there.
    pub(crate) fn launch(&mut self, node: usize, arguments: &str) {
        self.daemons[node] = None;
        let kubeconfig = self.accounts[node].kubeconfig();
        let node_of_lab = &self.cluster.nodes[node];
        let source = [
            "--kubeconfig".as_ref(),
            kubeconfig.as_os_str(),
            "--node".as_ref(),
            node_of_lab.name.as_ref(),
        ];
        let daemon = node_of_lab.start_from(Path::new(PROGRAM), &source, arguments);
        self.daemons[node] = Some(daemon.unwrap());
    }

    pub(crate) fn apply(&self, manifests: &str) {
        self.plane.apply(manifests).unwrap();
    }

    /// Runs kubectl; the words are split at spaces.
    pub(crate) fn kubectl(&self, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        self.plane.kubectl(&words).unwrap()
    }

    /// A pod that the API server knows, wherever it runs.
    pub(crate) fn pod(&self, node: usize, namespace: &str, name: &str) -> Arc<RunningPod> {
        self.kubelets[node]
            .wait_for(namespace, name, LONG * 2)
            .unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let problems: Vec<_> = self.kubelets.iter().flat_map(Kubelet::problems).collect();
        if thread::panicking() {
            println!("Problems of kubelets: {problems:?}");
            for (number, daemon) in self.daemons.iter().enumerate() {
                let log = daemon.as_ref().map(Daemon::log).unwrap_or_default();
                println!("The log of daemon {number}:\n{log}");
            }
        } else {
            assert!(problems.is_empty(), "{problems:?}");
        }
    }
}

/// Writes what kube-proxy would into a node. Without services it is there too, as in every cluster:
/// the kernel tracks connections then.
pub(crate) fn proxy(node: &Node, services: Vec<Service>) {
    let proxy = Proxy {
        mode: Mode::Nftables,
        pods: node.cluster_pods(),
        node: node.addresses(),
        masquerade_all: false,
        services,
    };
    proxy.apply(node).unwrap();
}

/// A control plane, running, and without anything of an earlier test.
fn clean() -> MutexGuard<'static, ControlPlane> {
    let (used, mut plane) = loop {
        let mut free = PLANES.iter();
        if let Some(found) = free.find_map(|one| Some((&one.used, one.take()?))) {
            break found;
        }
        thread::sleep(Duration::from_millis(50));
    };
    for part in [Part::Etcd, Part::ApiServer, Part::Controllers] {
        plane.start_part(part).unwrap();
    }
    if used.swap(true, Ordering::Relaxed) {
        for words in [
            &["delete", "daemonsets", "-n", "enforcer-system", "--all"][..],
            &[
                "delete",
                "pods",
                "-A",
                "--all",
                "--force",
                "--grace-period=0",
            ],
            &["delete", "namespaces", "-l", OURS],
            &["delete", "nodes", "--all"],
        ] {
            plane.kubectl(words).unwrap();
        }
    }
    plane
}
