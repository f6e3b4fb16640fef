//! Records, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use enforcer_common::Reason;
use enforcer_flows::{Kind, Party, Record, Who};
use enforcer_policy::intern::Name;
use enforcer_policy::model::PodKey;
use jiff::Timestamp;

use super::connection::{Connection, End, Seen};
use crate::screen::Summary;

/// What is known from records.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Connections that policies decided about, and what became of them.
    pub connections: BTreeMap<Connection, Seen>,
    /// The pods that records name, as the last of these describes them.
    pub pods: BTreeMap<PodKey, Arc<Who>>,
    /// The pods at whose links records were made.
    pub endpoints: BTreeSet<PodKey>,
    /// The nodes that made records.
    pub nodes: BTreeSet<Name>,
    /// How many records there are.
    pub records: u64,
    /// The time of the first and the last of them.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Those that say nothing about policies, by why.
    pub passed_over: BTreeMap<PassedOver, u64>,
    /// What daemons say that is not in the records.
    pub lost: Lost,
    /// The numbers of the records of each node.
    numbers: BTreeMap<Option<Name>, BTreeSet<u64>>,
}

/// What daemons say that is not in their records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// A daemon was asked, not a file: what is missing between its records is known to it.
    pub told: bool,
    /// Records that were not kept so long.
    pub forgotten: u64,
    /// Records that were gone before they could be handed out.
    pub missed: u64,
    /// New flows that the programs in the kernel did not report, as there were too many at a time.
    pub suppressed: u64,
    /// Nodes that did not answer, and why.
    pub silent: BTreeMap<String, String>,
}

impl Lost {
    /// Takes in what the daemon that made the records says of them; `since` is what was asked for.
    pub fn tell(&mut self, summary: &Summary, since: Option<Timestamp>) {
        self.told = true;
        self.forgotten += summary.flows.forgotten(since);
        self.suppressed += summary.unreported;
    }

    /// How much is not in the records.
    pub fn count(&self) -> u64 {
        self.forgotten + self.missed + self.suppressed
    }
}

/// Why a record is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PassedOver {
    /// The same record was there before.
    Repeated,
    /// The end of a flow, whose beginning counts.
    Ended,
    /// Nothing is decided yet: the record with the real destination counts.
    Deferred,
    /// A pod reaches itself and its own node whatever policies say.
    AlwaysAllowed,
    /// It was dropped, but by no policy.
    NotByPolicy,
    /// It has no addresses.
    NotIp,
}

impl PassedOver {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Ended => "ends of flows",
            Self::Deferred => "still on the way to a service",
            Self::AlwaysAllowed => "of a pod with itself or its own node",
            Self::NotByPolicy => "not decided by policies",
            Self::NotIp => "without addresses",
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Numbers further apart than this are of two runs of a daemon: see
/// [`FlowStore::new`](crate::flow::store::FlowStore::new).
const RESTART: u64 = 1_000_000;

impl Log {
    /// Takes a record in.
    pub fn take(&mut self, record: &Record) {
        self.records += 1;
        if let Err(why) = self.count(record) {
            *self.passed_over.entry(why).or_default() += 1;
        }
    }

    fn count(&mut self, record: &Record) -> Result<(), PassedOver> {
        let node = &record.context.node;
        let numbers = self.numbers.entry(node.clone()).or_default();
        // Nameless nodes may be many.
        if !numbers.insert(record.sequence) && node.is_some() {
            return Err(PassedOver::Repeated);
        }
        self.describe(record);
        let (client, server) = decided(record)?;
        let ends = End::of(client).zip(End::of(server));
        let (client, server) = ends.ok_or(PassedOver::NotIp)?;
        let connection = Connection {
            client,
            protocol: record.protocol,
            port: server_port(record),
            server,
        };
        self.connections.entry(connection).or_default().add(record);
        Ok(())
    }

    /// Takes in what a record says besides.
    fn describe(&mut self, record: &Record) {
        let time = record.time;
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        self.nodes.extend(record.context.node.clone());
        self.endpoints.extend(record.context.endpoint.clone());
        for who in record
            .parties()
            .into_iter()
            .filter_map(|one| one.who.as_ref())
        {
            if let Some(pod) = &who.pod {
                self.pods.insert(pod.clone(), Arc::clone(who));
            }
        }
    }

    /// How many numbers are missing between those of the records, and how often a daemon began anew. A
    /// daemon that is asked says itself what is missing.
    pub fn gaps(&self) -> (u64, u64) {
        let (mut missing, mut restarts) = (0, 0);
        if self.lost.told {
            return (missing, restarts);
        }
        for numbers in self.numbers.values() {
            let following = numbers.iter().skip(1);
            for (number, next) in numbers.iter().zip(following) {
                match next - number - 1 {
                    RESTART.. => restarts += 1,
                    gap => missing += gap,
                }
            }
        }
        (missing, restarts)
    }
}

impl Seen {
    fn add(&mut self, record: &Record) {
        let counts = match record.kind {
            Kind::Opened | Kind::Closed => &mut self.opened,
            Kind::Denied => &mut self.denied,
            Kind::Audited => &mut self.audited,
        };
        let count = &mut counts[record.direction.index()];
        *count = count.saturating_add(record.count);
        let last = match record.kind {
            Kind::Opened | Kind::Closed => &mut self.last_opened,
            Kind::Denied => &mut self.last_denied,
            Kind::Audited => &mut self.last_audited,
        };
        let last = &mut last[record.direction.index()];
        *last = (*last).max(Some(record.time));
    }
}

/// The client and the server of a record about which policies decided.
fn decided(record: &Record) -> Result<(&Party, &Party), PassedOver> {
    match (record.kind, record.reason) {
        (Kind::Closed, _) => Err(PassedOver::Ended),
        (_, Reason::Deferred) => Err(PassedOver::Deferred),
        (_, Reason::OwnNode | Reason::OwnPod) => Err(PassedOver::AlwaysAllowed),
        (Kind::Opened, Reason::Allowed | Reason::NotIsolated | Reason::PendingAllowed)
        | (
            Kind::Denied | Kind::Audited,
            Reason::PolicyDenied | Reason::AuditDenied | Reason::Revoked,
        ) => Ok(by_role(record)),
        _ => Err(PassedOver::NotByPolicy),
    }
}

/// The client and the server: an answer goes the other way.
fn by_role(record: &Record) -> (&Party, &Party) {
    if record.hook == record.direction {
        (&record.source, &record.destination)
    } else {
        (&record.destination, &record.source)
    }
}

fn server_port(record: &Record) -> Option<u16> {
    let server = by_role(record).1;
    server.port.filter(|_| record.protocol.has_ports())
}
