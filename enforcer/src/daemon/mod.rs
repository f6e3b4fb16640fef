//! The daemon: the only place where source, compiler, datapath, flows and API meet.

mod claims;
mod cut;
pub mod measure;
mod observe;
mod others;
mod report;
mod source;
mod sweep;
mod uninstall;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_common::abi::{Event, limits};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Change, PodKey};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::api::server::{self, Question};
use crate::claims::Claims;
use crate::cni::{CniError, Installation, Keeper};
use crate::datapath::discover::{self, DiscoverError, Links};
use crate::datapath::matching::{Matching, is_here, match_pods};
use crate::datapath::watch::{WatchError, Watcher};
use crate::datapath::writer::{self, Writer, WriterError};
use crate::engines::{self, Engine};
use crate::flow::enrich::enrich;
use crate::flow::reader;
use crate::flow::store::FlowStore;
use crate::http::{self, HttpError};
use crate::kubernetes::client::Access;
use crate::kubernetes::daemonset::Name;
use crate::report::Counters;
use crate::source::kubernetes::{Ended, StartError};
use crate::source::manifests;
use crate::source::problem::Problem;
use measure::Measures;
use source::{Source, Taken};
use sweep::Sweep;

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where objects come from.
    pub source: Origin,
    /// The node's name; `None` makes every pod with a link here an endpoint.
    pub node: Option<String>,
    /// Directory of network namespaces.
    pub netns_dir: PathBuf,
    /// Path of the socket.
    pub socket: PathBuf,
    /// Start although another policy engine is at work on this node.
    pub alongside: bool,
    /// Detach everything and remove all pins at the end.
    pub cleanup: bool,
    /// The `DaemonSet` that this daemon belongs to: when it is deleted, `cleanup` is meant.
    pub daemonset: Option<Name>,
    /// The CNI plugin, where it is to be kept installed.
    pub cni: Option<Installation>,
    /// The kernel side.
    pub datapath: writer::Options,
    /// Where HTTP is served, if it is.
    pub listen: Option<SocketAddr>,
    /// What the API server is told.
    pub reports: Reports,
}

/// What the API server is told, where objects come from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    /// `PolicyEnforcement` objects.
    pub objects: bool,
    /// Events.
    pub events: bool,
}

/// Where objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a directory (or file) of manifests.
    Manifests(PathBuf),
    /// From an API server. The node must have a name then.
    Kubernetes(Access),
}

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nothing to read.
    #[error("no manifests at {}: give --manifests a directory or file that exists", .0.display())]
    NoManifests(PathBuf),
    /// Another engine enforces policies here.
    #[error(transparent)]
    OtherEngine(#[from] engines::Refusal),
    /// Nobody knows whether another engine enforces policies here.
    #[error(transparent)]
    Probe(#[from] engines::probe::ProbeError),
    /// The kernel side cannot be set up.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The maps cannot be used.
    #[error(transparent)]
    Maps(#[from] crate::datapath::maps::MapsError),
    /// Changes of the manifests cannot be watched.
    #[error(transparent)]
    Manifests(#[from] manifests::WatchError),
    /// The cluster cannot be watched.
    #[error(transparent)]
    Kubernetes(#[from] StartError),
    /// The cluster is not watched any more.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Nobody said which node this is.
    #[error(
        "which node is this? Give --node NAME, or NODE_NAME in the environment, as in the name of its Node object"
    )]
    NoNode,
    /// The CNI plugin cannot be removed.
    #[error(transparent)]
    Cni(#[from] CniError),
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
    /// HTTP cannot be served.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
}

/// How often a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How many questions may wait. As many pods may start together.
const QUESTIONS: usize = 128;

/// Runs until SIGTERM or SIGINT. What is attached stays in force then, unless `cleanup` is set.
pub async fn run(options: Options) -> Result<(), DaemonError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    let others = others::at_start(&options)?;
    // Watching begins before the first look, so that nothing is missed in between.
    let source = Source::start(&options).await?;
    let links = Watcher::start(&options.netns_dir)?;
    let (sweep, mut swept) = Sweep::new();
    let mut daemon = Daemon::new(options, source, sweep)?;
    daemon.others = others;
    let mut events = reader::start(daemon.writer.take_events()?).map_err(DaemonError::Events)?;
    let (sender, mut questions) = mpsc::channel(QUESTIONS);
    let socket = server::listen(&daemon.options.socket, sender.clone()).map_err(|source| {
        DaemonError::Socket {
            path: daemon.options.socket.clone(),
            source,
        }
    })?;
    let reports = daemon.report_to_api_server(sender.clone()).await;
    let uninstalled = daemon.follow_daemonset().await;
    let http = daemon
        .options
        .listen
        .map(|address| http::start(address, sender, daemon.reports.clone()))
        .transpose()?;

    daemon.reload();
    daemon.rescan().await;
    daemon.settle()?;
    // An interval and no sleep: other events may come more often than this one.
    let look = daemon.look.clone();
    let mut retry = tokio::time::interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        daemon.sweep();
        tokio::select! {
            changed = daemon.source.changed() => {
                changed?;
                daemon.reload();
                daemon.settle()?;
            }
            () = links.changed() => daemon.rescan().await,
            () = look.notified() => daemon.rescan().await,
            Some(question) = questions.recv() => daemon.answer(question).await,
            Some(batch) = events.recv() => daemon.record(&batch),
            Some(news) = swept.recv() => daemon.swept(news),
            _ = retry.tick(), if daemon.writer.broken().is_some() => daemon.retry(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        // What many plugins ask at a time is done at once.
        if questions.is_empty() {
            daemon.advance_holds();
        }
    }
    daemon.options.cleanup |= uninstalled.is_some_and(|going| *going.borrow());
    if !daemon.options.cleanup {
        socket.leave();
    }
    // Nothing new is asked or told; requests on their way to the API server are not waited for.
    if let Some(reports) = reports {
        reports.stop().await;
    }
    drop(http);
    if let Some(keeper) = daemon.keeper.take() {
        keeper.stop().await;
    }
    daemon.stop()
}

struct Daemon {
    options: Options,
    source: Source,
    compiler: Compiler,
    writer: Writer,
    flows: FlowStore,
    measures: Measures,
    /// What is wrong with the objects now.
    problems: Vec<Problem>,
    /// The namespaces and links that the last look found.
    links: Links,
    /// The node's own addresses that it found.
    local_addresses: BTreeSet<IpAddr>,
    /// Why the last look failed, if it did; the links are then those of the look before.
    scan_failure: Option<String>,
    /// The pods that should be here, with their addresses.
    pods: BTreeMap<PodKey, Vec<IpAddr>>,
    /// The same when their links were last looked for.
    matched: BTreeMap<PodKey, Vec<IpAddr>>,
    /// Whose they are.
    matching: Matching,
    /// Everything is in force for the first time: an earlier daemon's programs have gone.
    settled: bool,
    sweep: Sweep,
    /// Other policy engines of this node.
    others: Vec<Engine>,
    /// Raised whenever there may be something new to report.
    changes: watch::Sender<u64>,
    /// What the reports have come to.
    reports: Counters,
    /// What the container runtime said about pods.
    claims: Claims,
    /// The CNI plugins that wait for an answer.
    waiters: Vec<claims::Waiter>,
    /// Pods with new claims.
    claimed: BTreeSet<PodKey>,
    /// Wakes the loop to look for links.
    look: Arc<Notify>,
    /// Keeps the CNI plugin installed.
    keeper: Option<Keeper>,
}

impl Daemon {
    fn new(options: Options, source: Source, sweep: Sweep) -> Result<Self, DaemonError> {
        let scope = options.node.clone().map_or(Scope::All, Scope::Node);
        let compiler = Compiler::new(scope, capacity(&options.datapath));
        let writer = Writer::start(options.datapath.clone())?;
        let claims = Claims::load(
            &enforcer_cni::protocol::claims(&options.socket),
            &options.netns_dir,
        );
        Ok(Self {
            options,
            source,
            compiler,
            writer,
            flows: FlowStore::default(),
            measures: Measures::default(),
            problems: Vec::new(),
            links: Links::default(),
            local_addresses: BTreeSet::new(),
            scan_failure: None,
            pods: BTreeMap::new(),
            matched: BTreeMap::new(),
            matching: Matching::default(),
            settled: false,
            sweep,
            others: Vec::new(),
            changes: watch::Sender::default(),
            reports: Counters::default(),
            claims,
            waiters: Vec::new(),
            claimed: BTreeSet::new(),
            look: Arc::default(),
            keeper: None,
        })
    }

    /// Takes what the source has and brings the kernel there.
    fn reload(&mut self) {
        let begin = Instant::now();
        let taken = self.source.take(self.compiler.cluster());
        self.put_into_force(taken, begin);
    }

    /// The same with what the source can tell when it is asked.
    fn refresh(&mut self) {
        let begin = Instant::now();
        if let Some(taken) = self.source.take_all(self.compiler.cluster()) {
            self.put_into_force(taken, begin);
        }
    }

    /// Brings the kernel to what was taken since `begin`.
    fn put_into_force(&mut self, mut taken: Taken, begin: Instant) {
        self.tell_problems();
        self.amend_changes(&mut taken.changes);
        if taken.changes.is_empty() {
            return self.source.rest(begin.elapsed());
        }
        let changes = taken.changes.len();
        let cluster = self.compiler.cluster();
        let matters = taken.changes.iter().any(|one| cluster.matters(one));
        let pods = keys_of_pods(&taken.changes);
        let ops = self.compiler.apply(taken.changes);
        self.note_pods(pods);
        if matters {
            self.writer.apply(&ops, self.compiler.tables());
            self.follow_pods();
            self.measures.applied(changes, ops.len(), taken.oldest);
        } else {
            self.measures.noted(changes);
        }
        self.source.rest(begin.elapsed());
        tracing::debug!(changes, writes = ops.len(), matters, "changes applied");
    }

    /// Tells of what has become wrong with objects since the last time.
    fn tell_problems(&mut self) {
        let problems = self.source.problems();
        for problem in &problems {
            if !self.problems.contains(problem) {
                tracing::warn!(
                    place = %problem.place, code = problem.code, object = problem.object,
                    field = problem.field, "{}", problem.message
                );
            }
        }
        if self.problems != problems {
            self.changes.send_modify(|changes| *changes += 1);
        }
        self.problems = problems;
    }

    /// Ends the start, when the source has told everything for the first time.
    fn settle(&mut self) -> Result<(), DaemonError> {
        if !self.settled && self.source.is_synced() {
            self.follow();
            self.writer.settle()?;
            self.settled = true;
            self.announce();
            // From now on there is somebody to ask.
            self.keeper = self.options.cni.clone().map(Keeper::start);
        }
        Ok(())
    }

    /// Looks for namespaces and links.
    async fn rescan(&mut self) {
        let directory = self.options.netns_dir.clone();
        let others = self.claims.files();
        let look = move || -> Result<_, DiscoverError> {
            Ok((
                discover::scan(&directory, &others)?,
                discover::local_addresses()?,
            ))
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok((links, local))) => {
                self.links = links;
                self.look_for_others();
                self.scan_failure = None;
                self.local_addresses.clone_from(&local);
                let ops = self.compiler.set_local_addresses(local);
                self.writer.apply(&ops, self.compiler.tables());
            }
            Ok(Err(error)) => self.scan_failed(&error),
            Err(error) => self.scan_failed(&error),
        }
        self.forget_gone_claims();
        self.follow();
    }

    fn scan_failed(&mut self, error: &dyn std::error::Error) {
        tracing::error!(%error, "cannot look for links; those found before stay in force");
        self.scan_failure = Some(error.to_string());
    }

    /// Finds the links of the pods and brings the programs there. Until the source has told
    /// everything, no link is touched that an earlier daemon holds.
    fn follow(&mut self) {
        if !self.source.is_synced() {
            let matching = match_pods(&self.links, &BTreeMap::new());
            return self.writer.wait_with(&matching.unknown);
        }
        let mut matching = match_pods(&self.links, &self.pods);
        matching.keep(&self.matching, [&self.matched, &self.pods]);
        self.matched.clone_from(&self.pods);
        let before = std::mem::replace(&mut self.matching, matching);
        let known = before.unenforced();
        for (pod, why) in self.matching.unenforced() {
            if known.get(pod) != Some(&why) {
                tracing::warn!(%pod, %why, "policies do not hold for a pod, or not for all of its links");
            }
        }
        self.writer.follow(&self.matching, &self.links.node);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Notes which of these pods should be here. The others of the cluster are not walked over.
    fn note_pods(&mut self, keys: impl IntoIterator<Item = PodKey>) {
        let (cluster, node) = (self.compiler.cluster(), self.options.node.as_deref());
        for key in keys {
            let pod = cluster.pods.get(&key).filter(|pod| is_here(pod, node));
            match pod.map(|pod| pod.addresses.clone()) {
                Some(addresses) => drop(self.pods.insert(key, addresses)),
                None => drop(self.pods.remove(&key)),
            }
        }
    }

    /// Finds the links of the pods, if these are others now or some link could not be held.
    fn follow_pods(&mut self) {
        if self.pods != self.matched || self.writer.failures().next().is_some() {
            self.follow();
        } else {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    fn retry(&mut self) {
        self.writer.apply(&[], self.compiler.tables());
        self.changes.send_modify(|changes| *changes += 1);
    }

    async fn answer(&mut self, question: Question) {
        match question {
            Question::Status { refresh, answer } => {
                if refresh {
                    self.refresh();
                    self.rescan().await;
                    return self.answer_when_swept(answer);
                }
                // A client that went away needs no answer.
                let _ = answer.send(self.status());
            }
            Question::Cut { change, answer } => self.answer_cut(change, answer),
            Question::Hold(question) => self.answer_plugin(question),
            Question::Flows { answer } => {
                let _ = answer.send(self.flows.subscribe());
            }
            Question::Enforcement { answer } => drop(answer.send(self.enforcement())),
            Question::Nodes { answer } => drop(answer.send(self.nodes())),
            Question::Health { answer } => drop(answer.send(self.health())),
            Question::Numbers { answer } => drop(answer.send(self.numbers())),
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
            // First: no pod is to wait for who does not come.
            if let Some(installation) = &self.options.cni {
                installation.place.uninstall()?;
            }
            self.writer.cleanup()?;
            self.claims.clear();
            tracing::info!("stopped; everything that was attached is removed");
        } else {
            tracing::info!("stopped; what is attached stays in force");
        }
        Ok(())
    }
}

fn keys_of_pods(changes: &[Change]) -> Vec<PodKey> {
    let pods = changes.iter().filter_map(|change| match change {
        Change::Pod(key, _) => Some(key.clone()),
        _ => None,
    });
    pods.collect()
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
