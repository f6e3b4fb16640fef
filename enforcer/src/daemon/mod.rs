//! The daemon: the only place where source, compiler, datapath, flows and API meet.

mod cut;
mod report;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use enforcer_common::abi::{Event, limits};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::PodKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::api::server::{self, Question};
use crate::datapath::discover::{self, DiscoverError, Links};
use crate::datapath::matching::{Matching, match_pods, pods_here};
use crate::datapath::watch::{WatchError, Watcher};
use crate::datapath::writer::{self, Writer, WriterError};
use crate::flow::enrich::enrich;
use crate::flow::reader;
use crate::flow::store::FlowStore;
use crate::source::manifests::{self, ManifestSource};
use crate::source::problem::Problem;
use sweep::Sweep;

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory (or file) of manifests.
    pub manifests: PathBuf,
    /// The node's name; `None` makes every pod with a link here an endpoint.
    pub node: Option<String>,
    /// Directory of network namespaces.
    pub netns_dir: PathBuf,
    /// Path of the socket.
    pub socket: PathBuf,
    /// Detach everything and remove all pins at the end.
    pub cleanup: bool,
    /// The kernel side.
    pub datapath: writer::Options,
}

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nothing to read.
    #[error("no manifests at {}: give --manifests a directory or file that exists", .0.display())]
    NoManifests(PathBuf),
    /// The kernel side cannot be set up.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The maps cannot be used.
    #[error(transparent)]
    Maps(#[from] crate::datapath::maps::MapsError),
    /// Changes of the manifests cannot be watched.
    #[error(transparent)]
    Manifests(#[from] manifests::WatchError),
    /// Changes of links cannot be watched.
    #[error(transparent)]
    Links(#[from] WatchError),
    /// Events cannot be read.
    #[error("cannot wait for flow events: {0}")]
    Events(std::io::Error),
    /// The socket cannot be made.
    #[error("cannot listen at {}: {source}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
}

/// How often a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT. What is attached stays in force then, unless `cleanup` is set.
pub async fn run(options: Options) -> Result<(), DaemonError> {
    if !options.manifests.exists() {
        return Err(DaemonError::NoManifests(options.manifests));
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    // Watching begins before the first look, so that nothing is missed in between.
    let links = Watcher::start(&options.netns_dir)?;
    let source = ManifestSource::new(&options.manifests);
    let mut manifests = source.watch()?;
    let (sweep, mut swept) = Sweep::new();
    let mut daemon = Daemon::new(options, source, sweep)?;
    let mut events = reader::start(daemon.writer.take_events()?).map_err(DaemonError::Events)?;
    let (sender, mut questions) = mpsc::channel(16);
    let socket =
        server::listen(&daemon.options.socket, sender).map_err(|source| DaemonError::Socket {
            path: daemon.options.socket.clone(),
            source,
        })?;

    daemon.reload();
    daemon.rescan().await;
    daemon.writer.settle()?;
    daemon.announce();
    // An interval and no sleep: other events may come more often than this one.
    let mut retry = tokio::time::interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = manifests.changed() => {
                daemon.reload();
                daemon.follow();
            }
            () = links.changed() => daemon.rescan().await,
            Some(question) = questions.recv() => daemon.answer(question).await,
            Some(batch) = events.recv() => daemon.record(&batch),
            Some(news) = swept.recv() => daemon.swept(news),
            _ = retry.tick(), if daemon.writer.broken().is_some() => daemon.retry(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        daemon.sweep();
    }
    drop(socket);
    daemon.stop()
}

struct Daemon {
    options: Options,
    source: ManifestSource,
    compiler: Compiler,
    writer: Writer,
    flows: FlowStore,
    /// What is wrong with the manifests now.
    problems: Vec<Problem>,
    /// The namespaces and links that the last look found.
    links: Links,
    /// The node's own addresses that it found.
    local_addresses: BTreeSet<IpAddr>,
    /// Why the last look failed, if it did; the links are then those of the look before.
    scan_failure: Option<String>,
    /// The pods that should be here, with their addresses.
    pods: BTreeMap<PodKey, Vec<IpAddr>>,
    /// Whose they are.
    matching: Matching,
    sweep: Sweep,
}

impl Daemon {
    fn new(options: Options, source: ManifestSource, sweep: Sweep) -> Result<Self, DaemonError> {
        let scope = options.node.clone().map_or(Scope::All, Scope::Node);
        let compiler = Compiler::new(scope, capacity(&options.datapath));
        let writer = Writer::start(options.datapath.clone())?;
        Ok(Self {
            options,
            source,
            compiler,
            writer,
            flows: FlowStore::default(),
            problems: Vec::new(),
            links: Links::default(),
            local_addresses: BTreeSet::new(),
            scan_failure: None,
            pods: BTreeMap::new(),
            matching: Matching::default(),
            sweep,
        })
    }

    /// Reads the manifests and brings the kernel's tables there.
    fn reload(&mut self) {
        let snapshot = self.source.reload();
        if snapshot.problems != self.problems {
            for problem in snapshot
                .problems
                .iter()
                .filter(|problem| !self.problems.contains(problem))
            {
                tracing::warn!(
                    file = %problem.file.display(), line = problem.line, code = problem.code,
                    object = problem.object, field = problem.field, "{}", problem.message
                );
            }
            self.problems = snapshot.problems;
        }
        let changes = self.compiler.cluster().changes_to(&snapshot.cluster);
        if changes.is_empty() {
            return;
        }
        let count = changes.len();
        let ops = self.compiler.apply(changes);
        self.writer.apply(&ops, self.compiler.tables());
        tracing::info!(changes = count, writes = ops.len(), "manifests applied");
    }

    /// Looks for namespaces and links.
    async fn rescan(&mut self) {
        let directory = self.options.netns_dir.clone();
        let look = move || -> Result<_, DiscoverError> {
            Ok((discover::scan(&directory)?, discover::local_addresses()?))
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok((links, local))) => {
                self.links = links;
                self.scan_failure = None;
                self.local_addresses.clone_from(&local);
                let ops = self.compiler.set_local_addresses(local);
                self.writer.apply(&ops, self.compiler.tables());
            }
            Ok(Err(error)) => self.scan_failed(&error),
            Err(error) => self.scan_failed(&error),
        }
        self.follow();
    }

    fn scan_failed(&mut self, error: &dyn std::error::Error) {
        tracing::error!(%error, "cannot look for links; those found before stay in force");
        self.scan_failure = Some(error.to_string());
    }

    /// Finds the links of the pods and brings the programs there.
    fn follow(&mut self) {
        let pods = pods_here(self.compiler.cluster(), self.options.node.as_deref());
        let mut matching = match_pods(&self.links, &pods);
        matching.keep(&self.matching, [&self.pods, &pods]);
        self.pods = pods;
        let before = std::mem::replace(&mut self.matching, matching);
        let known = before.unenforced();
        for (pod, why) in self.matching.unenforced() {
            if known.get(pod) != Some(&why) {
                tracing::warn!(%pod, %why, "policies do not hold for a pod, or not for all of its links");
            }
        }
        self.writer.follow(&self.matching, &self.links.node);
    }

    fn retry(&mut self) {
        self.writer.apply(&[], self.compiler.tables());
    }

    async fn answer(&mut self, question: Question) {
        match question {
            Question::Status { refresh, answer } => {
                if refresh {
                    self.reload();
                    self.rescan().await;
                    return self.answer_when_swept(answer);
                }
                // A client that went away needs no answer.
                let _ = answer.send(self.status());
            }
            Question::Cut { change, answer } => self.answer_cut(change, answer),
            Question::Flows { answer } => {
                let _ = answer.send(self.flows.subscribe());
            }
        }
    }

    fn record(&mut self, batch: &[Event]) {
        self.sweep_behind(batch);
        for event in batch {
            let pod = self.writer.pod_of(event.ifindex);
            if let Some(record) = enrich(event, pod, &self.compiler) {
                self.flows.push(record);
            }
        }
    }

    fn announce(&self) {
        let status = self.status();
        tracing::info!(
            in_force = status.in_force,
            endpoints = status.endpoints.len(),
            policies = status.policies.len(),
            problems = status.problems.len(),
            "ready"
        );
    }

    fn stop(self) -> Result<(), DaemonError> {
        if self.options.cleanup {
            self.writer.cleanup()?;
            tracing::info!("stopped; everything that was attached is removed");
        } else {
            tracing::info!("stopped; what is attached stays in force");
        }
        Ok(())
    }
}

/// What fits into the maps as they will be loaded.
fn capacity(options: &writer::Options) -> Capacity {
    let entries = |name: &str, default: u32| {
        let both = [format!("{name}_V4"), format!("{name}_V6"), name.to_owned()];
        let chosen = both
            .iter()
            .filter_map(|name| options.load.map_entries.get(name))
            .min();
        chosen.copied().unwrap_or(default) as usize
    };
    Capacity {
        addresses: entries("ADDRESSES", limits::ADDRESSES),
        cidrs: entries("CIDRS", limits::CIDRS),
        verdicts: entries("VERDICTS", limits::VERDICTS),
        ports: entries("PORTS", limits::PORTS),
    }
}
