//! The node, its pods, the daemon and what goes on there all the time.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use enforcer::api::client;
use enforcer::api::status::Work;
use enforcer_lab::{Connection, Daemon, Families, Lab, Outcome, Pod, Protocol, Server, Shape};
use serde_json::Value;

use super::backend::Backend;
use super::cluster::{Cluster, HERE, measured, node, standing};

/// The port of the server.
const PORT: u16 = 7;

/// How long a connection may take to be made, and an answer to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the daemon may take to begin.
const START: Duration = Duration::from_secs(120);

/// Between two exchanges of a connection.
const PACE: Duration = Duration::from_millis(5);

/// Connections that go on meanwhile.
const CONNECTIONS: usize = 4;

/// A node with pods.
pub(super) struct Stage {
    pub(super) near: Pod,
    pub(super) far: Pod,
    talk: Pod,
    listen: Pod,
    others: Vec<Pod>,
    cluster: Cluster,
    // Goes last.
    pub(super) lab: Lab,
}

impl Stage {
    pub(super) fn new(cluster: Cluster) -> Result<Self> {
        let lab = Lab::new(Shape::Ptp, Families::V4)?;
        let others = (0..HERE).map(|number| lab.add_pod(&format!("other-{number}")));
        Ok(Self {
            others: others.collect::<Result<_, _>>()?,
            near: lab.add_pod("near")?,
            far: lab.add_pod("far")?,
            talk: lab.add_pod("talk")?,
            listen: lab.add_pod("listen")?,
            cluster,
            lab,
        })
    }

    /// All pods of the cluster, and the policy that stays.
    pub(super) fn objects(&self) -> Result<Vec<Value>> {
        let cluster = self.cluster;
        let mut objects = vec![standing()];
        for pod in [&self.near, &self.far, &self.talk, &self.listen] {
            objects.push(measured(pod, address(pod)?));
        }
        for number in 0..cluster.pods() {
            let here = self.others.get(number).map(address).transpose()?;
            objects.push(cluster.pod(number, here));
        }
        Ok(objects)
    }

    /// Starts the daemon and waits until it enforces what there is.
    pub(super) fn daemon(&self, program: &Path, backend: &dyn Backend) -> Result<Daemon> {
        let flags = backend.flags();
        let flags: Vec<&OsStr> = flags.iter().map(AsRef::as_ref).collect();
        let arguments = format!("--node {}", node());
        let daemon = self.lab.start_from(program, &flags, &arguments)?;
        daemon.wait_ready(START)?;
        Ok(daemon)
    }

    /// Begins with the traffic of others.
    pub(super) fn traffic(&self) -> Result<Traffic> {
        let server = Server::start(&self.listen, Protocol::Tcp, PORT)?;
        let to = SocketAddr::new(address(&self.listen)?, PORT);
        let shared = Arc::new(Shared::default());
        let connect = || {
            let connection = Connection::open(&self.talk, to, PATIENCE)?;
            let shared = shared.clone();
            Ok(thread::spawn(move || talk(connection, &shared)))
        };
        let threads = (0..CONNECTIONS).map(|_| connect()).collect::<Result<_>>()?;
        Ok(Traffic {
            shared,
            threads,
            _server: server,
        })
    }
}

/// The IPv4 address of a pod.
pub(super) fn address(pod: &Pod) -> Result<IpAddr> {
    pod.v4().context("a pod without IPv4 address")
}

/// What the daemon has done since its start.
pub(super) fn work(daemon: &Daemon) -> Result<Work> {
    Ok(client::status(daemon.socket(), false)?.work)
}

/// Connections that go on; they end when this is dropped.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    _server: Server,
}

#[derive(Default)]
struct Shared {
    end: AtomicBool,
    exchanges: AtomicU64,
    failures: AtomicU64,
}

impl Traffic {
    /// How many questions were answered; an error when a connection was cut, which no policy here
    /// wants.
    pub(super) fn exchanges(&self) -> Result<u64> {
        if self.shared.failures.load(Ordering::Relaxed) > 0 {
            bail!("a connection that every policy allows was cut");
        }
        Ok(self.shared.exchanges.load(Ordering::Relaxed))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn talk(mut connection: Connection, shared: &Shared) {
    while !shared.end.load(Ordering::Relaxed) {
        if connection.exchange(PATIENCE) != Outcome::Connected {
            shared.failures.fetch_add(1, Ordering::Relaxed);
            return;
        }
        shared.exchanges.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PACE);
    }
}
