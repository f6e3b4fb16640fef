//! Pods as namespaces of a lab's node.

use std::net::IpAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use enforcer_lab::{LabError, Namespace, Server};
use k8s_openapi::api::core::v1::{Container as Spec, Pod};

use super::containers::{Container, Output, Programs};
use super::table::Table;
use super::{ByUid, Hook, Place, object};

/// A pod that runs. While somebody holds it, its namespace stays, without its link once the pod has
/// been deleted.
#[derive(Debug)]
pub struct RunningPod {
    /// Its namespace in the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its addresses: the node's if it is on the host's network.
    pub addresses: Vec<IpAddr>,
    servers: Vec<Server>,
    containers: Vec<Container>,
    reported: AtomicBool,
    home: Place,
    /// None on the host's network.
    own: Option<enforcer_lab::Pod>,
}

impl Deref for RunningPod {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        match &self.own {
            Some(pod) => pod,
            None => self.home.node(),
        }
    }
}

impl RunningPod {
    /// Its first IPv4 address.
    pub fn v4(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(IpAddr::is_ipv4)
    }

    /// Connections accepted and datagrams answered by its servers.
    pub fn served(&self) -> usize {
        self.servers.iter().map(Server::served).sum()
    }

    /// The output of a container that is a process.
    pub(super) fn output(&self, container: &str) -> Option<Arc<Output>> {
        let mut named = self.containers.iter();
        let found = named.find(|one| one.name == container)?;
        Some(Arc::clone(&found.output))
    }

    pub(super) fn is_reported(&self) -> bool {
        self.reported.load(Ordering::Acquire)
    }
}

/// All pods of a node.
pub(super) struct Pods {
    home: Place,
    hook: Hook,
    programs: Programs,
    pub(super) table: Arc<Table>,
    running: ByUid<Arc<RunningPod>>,
}

impl Pods {
    pub(super) fn new(home: Place, hook: Hook, programs: Programs, table: Arc<Table>) -> Self {
        Self {
            home,
            hook,
            programs,
            table,
            running: ByUid::new(),
        }
    }

    /// The status to report of a pod, if there is one that the API server does not know; gives the
    /// pod a namespace first if it has none.
    pub(super) fn run(&mut self, uid: &str, pod: &Pod) -> Option<serde_json::Value> {
        if !self.running.contains_key(uid) {
            if object::is_over(pod) {
                return None;
            }
            match self.start(pod) {
                Ok(started) => {
                    let started = Arc::new(started);
                    self.table.put(uid, Arc::clone(&started));
                    self.running.insert(uid.to_owned(), started);
                }
                Err(problem) => {
                    self.table.problem(problem);
                    return None;
                }
            }
        }
        let running = self.running.get(uid)?;
        let known = object::has_addresses(pod, &running.addresses);
        running.reported.store(known, Ordering::Release);
        let node = self.home.node().addresses();
        (!known).then(|| object::running(pod, &node, &running.addresses))
    }

    /// Takes a pod's namespace away.
    pub(super) fn stop(&mut self, uid: &str) {
        self.table.remove(uid);
        let Some(running) = self.running.remove(uid) else {
            return;
        };
        running.containers.iter().for_each(Container::stop);
        if let Some(own) = &running.own
            && let Err(error) = self.home.node().unplug(own)
        {
            let RunningPod {
                namespace, name, ..
            } = &*running;
            let problem = format!("removing {namespace}/{name}: {error}");
            self.table.problem(problem);
        }
    }

    /// Takes those away that are not among these.
    pub(super) fn keep(&mut self, pods: &ByUid<Pod>) {
        let gone = self.running.keys().filter(|uid| !pods.contains_key(*uid));
        let gone: Vec<String> = gone.cloned().collect();
        for uid in gone {
            self.stop(&uid);
        }
    }

    fn start(&self, pod: &Pod) -> Result<RunningPod, String> {
        let meta = &pod.metadata;
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        let (namespace, name) = (word(&meta.namespace), word(&meta.name));
        let failed = |error: LabError| format!("starting {namespace}/{name}: {error}");
        let node = self.home.node();
        let mut running = RunningPod {
            namespace: namespace.clone(),
            name: name.clone(),
            addresses: node.addresses(),
            servers: Vec::new(),
            containers: Vec::new(),
            reported: AtomicBool::new(false),
            home: self.home.clone(),
            own: None,
        };
        if !object::is_host(pod) {
            // As container runtimes call them: not by the pod's name.
            let file = format!("cni-{}", meta.uid.as_deref().unwrap_or_default());
            let addresses = object::wanted_addresses(pod)?;
            let own = if addresses.is_empty() {
                node.add_pod(&file)
            } else {
                node.add_pod_with(&file, &addresses)
            };
            let own = own.map_err(failed)?;
            running.addresses.clone_from(&own.addresses);
            running.own = Some(own);
        }
        (self.hook)(&running);
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        for spec in containers {
            if let Some(program) = self.program(spec) {
                let started = Container::start(&running, spec, program)?;
                running.containers.push(started);
            }
        }
        for (protocol, port) in object::ports(pod, |spec| self.program(spec).is_none()) {
            let server = Server::start(&running, protocol, port).map_err(failed)?;
            running.servers.push(server);
        }
        Ok(running)
    }

    /// What runs in a container's place; without it only its ports are served.
    fn program(&self, container: &Spec) -> Option<&Path> {
        let image = container.image.as_ref()?;
        self.programs.get(image).map(PathBuf::as_path)
    }
}
