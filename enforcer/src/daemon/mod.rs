//! The daemon: the only place where source, compiler, datapath, flows and API meet.

mod claims;
mod client;
mod cluster;
mod cut;
mod error;
mod export;
mod hubble;
pub mod measure;
mod numbers;
mod observe;
mod options;
mod others;
mod readback;
mod recent;
mod recorded;
mod report;
mod run;
mod source;
mod sweep;
mod uninstall;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use enforcer_common::abi::limits;
use enforcer_flows::Record;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::intern::Name;
use enforcer_policy::model::{Change, PodKey};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::api::server::Question;
use crate::api::tcp::Refused;
use crate::claims::Claims;
use crate::cni::Keeper;
use crate::datapath::denials::{Alike, Unrecorded};
use crate::datapath::discover::{self, DiscoverError};
use crate::datapath::matching::{Matcher, Update, is_here, match_pods};
use crate::datapath::writer::{self, Writer};
use crate::engines::Engine;
use crate::export::Counters as Exported;
use crate::flow::recall::Recall;
use crate::flow::store::FlowStore;
use crate::flow::tally::Tally;
use crate::hubble::Observers;
use crate::report::Counters;
use crate::source::problem::Problem;
pub use error::DaemonError;
use measure::Measures;
pub use options::{Options, Origin, Reports};
use readback::ReadBack;
use recent::Samples;
pub use run::run;
use source::{Source, Taken};
use sweep::Sweep;

struct Daemon {
    options: Options,
    source: Source,
    compiler: Compiler,
    writer: Writer,
    flows: FlowStore,
    /// Where Hubble's clients find the other nodes.
    observers: Observers,
    recall: Recall,
    /// What the records came to.
    tally: Tally,
    /// Denials without a record, as of the last time that they were counted.
    unrecorded: Arc<Mutex<Unrecorded>>,
    measures: Measures,
    /// Grows with every change of an object; begins with the microseconds since 1970, so that it says
    /// something else than that of an earlier daemon.
    revision: u64,
    /// What is wrong with the objects now.
    problems: Vec<Problem>,
    /// The namespaces and links that the last look found, the pods that should be here, and whose
    /// links they are.
    matcher: Matcher,
    /// The node's own addresses that it found.
    local_addresses: BTreeSet<IpAddr>,
    /// Why the last look failed, if it did; the links are then those of the look before.
    scan_failure: Option<String>,
    /// Everything is in force for the first time: an earlier daemon's programs have gone.
    settled: bool,
    sweep: Sweep,
    read_back: ReadBack,
    /// Other policy engines of this node.
    others: Vec<Engine>,
    /// Raised whenever there may be something new to report.
    changes: watch::Sender<u64>,
    /// What the reports have come to.
    reports: Counters,
    /// What the export has come to.
    exported: Exported,
    /// What the container runtime said about pods.
    claims: Claims,
    /// The CNI plugins that wait for an answer.
    waiters: Vec<claims::Waiter>,
    /// Pods with new claims.
    claimed: BTreeSet<PodKey>,
    /// Wakes the loop to look for links.
    look: Arc<Notify>,
    /// How many looks for links have begun.
    looks: u64,
    /// Keeps the CNI plugin installed.
    keeper: Option<Keeper>,
    /// Clients over TCP that were no root.
    strangers: Refused,
    started: Timestamp,
    recent: Samples,
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
        let read_back = ReadBack::new(options.read_back);
        let flows = FlowStore::new(options.flows);
        let tally = Tally::new(options.metrics_policies);
        let observers = Observers::new(options.hubble.listen, hubble::node(&options));
        let recall = Recall::new(options.node.as_deref().map(Name::from));
        Ok(Self {
            read_back,
            options,
            source,
            compiler,
            writer,
            flows,
            observers,
            recall,
            tally,
            unrecorded: Arc::default(),
            measures: Measures::default(),
            revision: cluster::first_revision(),
            problems: Vec::new(),
            matcher: Matcher::default(),
            local_addresses: BTreeSet::new(),
            scan_failure: None,
            settled: false,
            sweep,
            others: Vec::new(),
            changes: watch::Sender::default(),
            reports: Counters::default(),
            exported: Exported::default(),
            claims,
            waiters: Vec::new(),
            claimed: BTreeSet::new(),
            look: Arc::default(),
            looks: 0,
            keeper: None,
            strangers: Refused::default(),
            started: Timestamp::now(),
            recent: Samples::default(),
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
        self.revision += changes as u64;
        let cluster = self.compiler.cluster();
        let matters = taken.changes.iter().any(|one| cluster.matters(one));
        let pods = keys_of_pods(&taken.changes);
        let mut changed = taken.changes.iter();
        let nodes = changed.any(|change| matches!(change, Change::Node(..)));
        self.forget_gone_policies(&taken.changes);
        let compiling = Instant::now();
        let ops = self.compiler.apply(taken.changes);
        let compiled = compiling.elapsed();
        self.note_pods(pods);
        if nodes {
            self.observers.follow(&self.compiler.cluster().nodes);
        }
        if matters {
            let writing = Instant::now();
            self.writer.apply(&ops, self.compiler.tables());
            self.measures.compiling.add(compiled);
            self.measures.writing.add(writing.elapsed());
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
        self.looks += 1;
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
                self.matcher.set_links(links);
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
            let matching = match_pods(self.matcher.links(), &BTreeMap::new());
            return self.writer.wait_with(&matching.unknown);
        }
        if self.writer.failures().next().is_some() {
            self.matcher.distrust();
        }
        let Update { before, part } = self.matcher.update();
        let known = before.unenforced();
        let now = part.as_ref().unwrap_or(self.matcher.matching());
        for (pod, why) in now.unenforced() {
            if known.get(pod) != Some(&why) {
                tracing::warn!(%pod, %why, "policies do not hold for a pod, or not for all of its links");
            }
        }
        match &part {
            Some(part) => self.writer.follow_part(part),
            None => self.writer.follow(now, &self.matcher.links().node),
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Notes which of these pods should be here. The others of the cluster are not walked over.
    fn note_pods(&mut self, keys: impl IntoIterator<Item = PodKey>) {
        let (cluster, node) = (self.compiler.cluster(), self.options.node.as_deref());
        for key in keys {
            let pod = cluster.pods.get(&key).filter(|pod| is_here(pod, node));
            self.matcher
                .note(key, pod.map(|pod| pod.addresses.as_slice()));
        }
    }

    /// Finds the links of the pods, if these are others now or some link could not be held.
    fn follow_pods(&mut self) {
        if !self.matcher.is_current() || self.writer.failures().next().is_some() {
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
            Question::Overview { known, answer } => self.answer_overview(known, answer),
            Question::Trace { question, answer } => self.answer_trace(question, answer),
            Question::Suggest { request, answer } => self.answer_suggest(request, answer),
            Question::Replay { request, answer } => self.answer_replay(request, answer),
            Question::Hold(question) => self.answer_plugin(question),
            Question::Flows { answer } => {
                let _ = answer.send(self.flows.clone());
            }
            Question::Enforcement { answer } => drop(answer.send(self.enforcement())),
            Question::Nodes { answer } => drop(answer.send(self.nodes())),
            Question::Namespaces { answer } => drop(answer.send(self.namespaces())),
            Question::Health { answer } => drop(answer.send(self.health())),
            Question::Numbers { answer } => drop(answer.send(self.numbers())),
        }
    }

    fn record(&mut self, batch: &[Alike]) {
        self.sweep_behind(batch);
        let time = Timestamp::now();
        let (recall, writer, compiler) = (&mut self.recall, &self.writer, &self.compiler);
        let tally = &mut self.tally;
        let records = batch.iter().filter_map(|alike| {
            let pod = writer.pod_of(alike.event.ifindex);
            let record = recall.enrich(&alike.event, pod, compiler, time)?;
            Some(Record {
                count: alike.count,
                ..record
            })
        });
        self.flows
            .extend(records.inspect(|record| tally.count(record)));
    }

    fn forget_gone_policies(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Policy(key, None) = change {
                self.tally.forget(key);
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
