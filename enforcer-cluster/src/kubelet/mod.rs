//! A tiny kubelet: Pods that are bound to its node become network namespaces of a lab.
//!
//! It makes the Node object, gives each Pod a namespace with addresses and serves the TCP and UDP
//! ports of its containers, reports that as status, and takes pods away that are deleted. Images,
//! volumes and probes are nothing to it: a pod with a namespace is ready. Only containers of images that a
//! test names a program for ([`Programs`]) run, as processes. What the API server passes on
//! to kubelets it serves over HTTPS: see `route`.

mod containers;
mod forward;
mod https;
mod logs;
mod object;
mod pods;
mod route;
mod run;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use enforcer_lab::{Cluster, Node};
use tokio::sync::oneshot;

use crate::{ClusterError, ControlPlane};
use https::Https;
use pods::Pods;
use table::Table;

pub use containers::Programs;
pub use pods::RunningPod;

/// The annotation of a Pod that says which addresses it gets, with commas between them; without it,
/// it gets the node's next free ones.
pub const ADDRESSES: &str = "enforcer.test/addresses";

/// The annotation of a Pod that is not for the kubelet, whatever its value: the test gives it a
/// namespace and status itself.
pub const BY_HAND: &str = "enforcer.test/by-hand";

/// How often those who wait for a pod look for it.
const LOOK: Duration = Duration::from_millis(10);

/// A kubelet of one node of a lab. Its pods go with it.
#[derive(Debug)]
pub struct Kubelet {
    node: String,
    table: Arc<Table>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _https: Https,
}

/// What a kubelet does the moment a pod has its namespace and its addresses.
pub type Hook = Box<dyn Fn(&RunningPod) + Send>;

impl Kubelet {
    /// Registers a node of the lab, by its name there, and begins to run its pods.
    pub fn start(
        plane: &ControlPlane,
        cluster: &Arc<Cluster>,
        node: usize,
    ) -> Result<Self, ClusterError> {
        Self::start_with(plane, cluster, node, Box::new(|_| ()))
    }

    /// The same with something to do as soon as a pod's namespace is there, before anybody else
    /// hears of it.
    pub fn start_with(
        plane: &ControlPlane,
        cluster: &Arc<Cluster>,
        node: usize,
        hook: Hook,
    ) -> Result<Self, ClusterError> {
        Self::launch(plane, cluster, node, hook, Programs::new())
    }

    /// The same with programs that stand for images.
    pub fn start_running(
        plane: &ControlPlane,
        cluster: &Arc<Cluster>,
        node: usize,
        programs: Programs,
    ) -> Result<Self, ClusterError> {
        Self::launch(plane, cluster, node, Box::new(|_| ()), programs)
    }

    fn launch(
        plane: &ControlPlane,
        cluster: &Arc<Cluster>,
        node: usize,
        hook: Hook,
        programs: Programs,
    ) -> Result<Self, ClusterError> {
        let place = Place {
            cluster: Arc::clone(cluster),
            number: node,
        };
        let Node { name, .. } = place.node();
        let name = name.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClusterError::kubelet(&name))?;
        let client = runtime.block_on(plane.client())?;
        let table = Arc::new(Table::default());
        let https = Https::start(plane, &name, Arc::clone(&table))?;
        plane.apply(&object::node(place.node(), https.address()).to_string())?;
        let pods = Pods::new(place, hook, programs, Arc::clone(&table));
        let (stop, stopped) = oneshot::channel();
        let own = name.clone();
        let thread = thread::spawn(move || runtime.block_on(run::run(client, own, pods, stopped)));
        Ok(Self {
            node: name,
            table,
            stop: Some(stop),
            thread: Some(thread),
            _https: https,
        })
    }

    /// The name of its node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// A pod that has its namespace now.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Arc<RunningPod>> {
        self.table.get(namespace, name)
    }

    /// Waits until a pod has its namespace and the API server knows its addresses.
    pub fn wait_for(
        &self,
        namespace: &str,
        name: &str,
        patience: Duration,
    ) -> Result<Arc<RunningPod>, ClusterError> {
        let reported = || self.pod(namespace, name).filter(|pod| pod.is_reported());
        self.wait(patience, &format!("pod {namespace}/{name} runs"), reported)
    }

    /// Waits until a pod has no namespace.
    pub fn wait_gone(
        &self,
        namespace: &str,
        name: &str,
        patience: Duration,
    ) -> Result<(), ClusterError> {
        let gone = || self.pod(namespace, name).is_none().then_some(());
        self.wait(patience, &format!("pod {namespace}/{name} is gone"), gone)
    }

    /// What went wrong so far that is not the API server's absence.
    pub fn problems(&self) -> Vec<String> {
        self.table.problems()
    }

    fn wait<T>(
        &self,
        patience: Duration,
        what: &str,
        found: impl Fn() -> Option<T>,
    ) -> Result<T, ClusterError> {
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = found() {
                return Ok(found);
            }
            if Instant::now() > end {
                return Err(ClusterError::Waiting {
                    node: self.node.clone(),
                    what: format!("after {patience:?} still not: {what}"),
                    problems: self.table.complaints(),
                });
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A node of a cluster that is shared.
#[derive(Clone, Debug)]
struct Place {
    cluster: Arc<Cluster>,
    number: usize,
}

impl Place {
    fn node(&self) -> &Node {
        &self.cluster.nodes[self.number]
    }
}

/// Objects of the API server by their uid.
type ByUid<T> = BTreeMap<String, T>;
