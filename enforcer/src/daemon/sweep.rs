//! Takes connections to endpoints of services out of the kernel's table when policy has revoked
//! them: see [`crate::datapath::revoke`].
//!
//! Reading the table takes its time, so another thread does it, for all pods that have come
//! together meanwhile. What it finds is judged here, by the tables of that moment.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Event, EventKind};
use enforcer_common::parse::number;
use tokio::sync::{mpsc, oneshot};

use super::Daemon;
use crate::api::Status;
use crate::datapath::conntrack::dump::{self, DumpError, Extent};
use crate::datapath::conntrack::exact::Table;
use crate::datapath::conntrack::{Answers, Entry, Part};
use crate::flow::enrich;

/// How long the table is read. 262,144 connections, the kernel's usual limit, take 0.6 seconds of an
/// idle CPU.
const LIMIT: Duration = Duration::from_secs(10);

/// Between two readings passes so many times the time of the first, so that no number of changes
/// keeps more than a fifth of a CPU busy.
const REST: u32 = 4;

/// What a thread has done.
pub(super) enum News {
    /// Read the table: the translated connections of the pods it was asked about.
    Found {
        entries: Vec<(Entry, Answers)>,
        extent: Extent,
        /// How long it took.
        time: Duration,
    },
    /// Removed so many connections.
    Removed(usize),
    /// There is no table, or it cannot be used.
    Failed(DumpError),
}

pub(super) struct Sweep {
    news: mpsc::UnboundedSender<News>,
    /// A thread is at it.
    busy: bool,
    /// When the table may be read again.
    next: Instant,
    /// The last failure has been told.
    failed: bool,
    /// Who wants to know the state when what has been revoked is removed, after so many readings.
    waiting: Vec<(u8, oneshot::Sender<Status>)>,
}

impl Sweep {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, receiver) = mpsc::unbounded_channel();
        let sweep = Self {
            news,
            busy: false,
            next: Instant::now(),
            failed: false,
            waiting: Vec::new(),
        };
        (sweep, receiver)
    }

    /// Has another thread do something.
    fn begin(
        &mut self,
        at: Instant,
        work: impl FnOnce() -> Result<News, DumpError> + Send + 'static,
    ) {
        self.busy = true;
        let news = self.news.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            let done = tokio::task::spawn_blocking(work).await;
            // It fails only when the daemon ends.
            if let Ok(done) = done {
                let _ = news.send(done.unwrap_or_else(News::Failed));
            }
        });
    }
}

impl Daemon {
    /// Begins where policy may have revoked connections, unless a thread is at it: then it goes on
    /// with these behind that.
    pub(super) fn sweep(&mut self) {
        if self.sweep.busy {
            return;
        }
        let pods = self.writer.take_suspects();
        if !pods.is_empty() {
            let at = self.sweep.next;
            self.sweep.begin(at, move || read(&pods));
        }
    }

    pub(super) fn swept(&mut self, news: News) {
        self.sweep.busy = false;
        match news {
            News::Found {
                entries,
                extent,
                time,
            } => {
                self.sweep.failed = false;
                self.sweep.next = Instant::now() + time * REST;
                if extent == Extent::Part {
                    tracing::warn!(
                        "the table of connections is too large to be read whole; what revoked endpoints of services send may go on"
                    );
                }
                let forbidden = self.writer.forbidden(self.compiler.tables(), &entries);
                if !forbidden.is_empty() {
                    return self.sweep.begin(Instant::now(), move || remove(&forbidden));
                }
            }
            News::Removed(connections) => {
                tracing::info!(
                    connections,
                    "connections to endpoints of services are revoked"
                );
            }
            News::Failed(error) => {
                if !self.sweep.failed {
                    tracing::info!(%error, "no table of connections to revoke translated ones in");
                }
                self.sweep.failed = true;
            }
        }
        self.tell();
        self.sweep();
    }

    /// Removes what denied packets have left in the table: each was translated before it was denied, and
    /// lets answers in again.
    pub(super) fn sweep_behind(&mut self, batch: &[Event]) {
        let denied: BTreeSet<Answers> = batch.iter().filter_map(answers_to_denied).collect();
        if denied.is_empty() || self.sweep.failed {
            return;
        }
        if let Err(error) = self.remove_translated(&denied) {
            self.swept(News::Failed(error));
        }
    }

    fn remove_translated(&mut self, denied: &BTreeSet<Answers>) -> Result<(), DumpError> {
        let mut table = Table::open()?;
        let mut entries = Vec::new();
        for answers in denied {
            let translated = |entry: &Entry| entry.translated() == Some(*answers);
            let entry = table.find(answers)?.filter(translated);
            entries.extend(entry.map(|entry| (entry, *answers)));
        }
        if entries.is_empty() {
            return Ok(());
        }
        for answers in self.writer.forbidden(self.compiler.tables(), &entries) {
            table.remove(&answers)?;
        }
        Ok(())
    }

    /// Answers when what policy has revoked until now is removed.
    pub(super) fn answer_when_swept(&mut self, answer: oneshot::Sender<Status>) {
        self.sweep();
        let readings = u8::from(self.sweep.busy) + u8::from(self.writer.has_suspects());
        if readings > 0 {
            self.sweep.waiting.push((readings, answer));
        } else {
            // A client that went away needs no answer.
            let _ = answer.send(self.status());
        }
    }

    /// One more reading is done.
    fn tell(&mut self) {
        for (readings, answer) in std::mem::take(&mut self.sweep.waiting) {
            if readings > 1 {
                self.sweep.waiting.push((readings - 1, answer));
            } else {
                // A client that went away needs no answer.
                let _ = answer.send(self.status());
            }
        }
    }
}

/// What would answer a packet that the policy of its sender denied.
fn answers_to_denied(event: &Event) -> Option<Answers> {
    let reasons = [Reason::PolicyDenied, Reason::Revoked].map(|reason| reason as u8);
    let egress = Direction::Egress as u8;
    let is_it = event.kind == EventKind::Denied as u8
        && reasons.contains(&event.reason)
        && (event.hook, event.direction) == (egress, egress)
        && matches!(event.protocol, number::TCP | number::UDP | number::SCTP);
    let (from, to) = enrich::addresses(event);
    is_it.then_some(Answers {
        protocol: event.protocol,
        from: SocketAddr::new(to?, event.destination_port),
        to: SocketAddr::new(from?, event.source_port),
    })
}

fn read(pods: &HashSet<IpAddr>) -> Result<News, DumpError> {
    let begin = Instant::now();
    let mut entries = Vec::new();
    let mut extent = Extent::Whole;
    let parts = Part::covering(pods.iter().copied(), dump::count(), |address| {
        [Part::OpenedBy(address)]
    });
    for part in parts {
        let read = dump::entries(part, begin + LIMIT, |entry| {
            if pods.contains(&entry.original.source) {
                entries.extend(entry.translated().map(|answers| (entry, answers)));
            }
        })?;
        if read == Extent::Part {
            extent = read;
        }
    }
    Ok(News::Found {
        entries,
        extent,
        time: begin.elapsed(),
    })
}

fn remove(connections: &[Answers]) -> Result<News, DumpError> {
    let mut table = Table::open()?;
    let mut removed = 0;
    for answers in connections {
        removed += usize::from(table.remove(answers)?);
    }
    Ok(News::Removed(removed))
}
