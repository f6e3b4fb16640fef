//! What the daemons report of drops: each must be of something that is denied, and everything that
//! is denied must be reported. So no repetition hides a drop, and nothing else than a program is
//! why something does not arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use enforcer::api::client;
use enforcer::api::flows::Line;
use enforcer_flows::{Party, Query, Record, Verdict};
use enforcer_lab::Daemon;

use crate::ask::{AGAIN, Outcome};
use crate::common::LONG;
use crate::probe::Probe;
use crate::world::World;

/// Name of the protocol, client and server.
pub(crate) type Tuple = (&'static str, SocketAddr, SocketAddr);

/// Everything that was reported as dropped.
#[derive(Default)]
pub(crate) struct Reports {
    shared: Arc<Shared>,
    /// Connections that were denied at some time: what is reported of them may be about then.
    tainted: BTreeSet<Tuple>,
}

#[derive(Default)]
struct Shared {
    dropped: Mutex<BTreeMap<Tuple, String>>,
    lost: Mutex<u64>,
}

impl Reports {
    /// Listens to the daemon of a node until that ends.
    pub(crate) fn follow(&self, world: &World, node: usize) {
        let socket = world.daemons[node].socket();
        let query = Query {
            follow: true,
            ..Query::default()
        };
        let lines = client::flows(socket, query).unwrap();
        let shared = self.shared.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                match line {
                    Line::Missed { missed, .. } => *shared.lost.lock().unwrap() += missed,
                    Line::Record(record) => shared.take(&record),
                    Line::Failed { error } => unreachable!("the client makes an error of {error}"),
                }
            }
        });
    }

    /// Finds drops of what is allowed, and denials that nobody reports.
    pub(crate) async fn check(&mut self, world: &World, probes: &[Probe], outcome: &mut Outcome) {
        let tuples = std::mem::take(&mut outcome.tuples);
        let probes: BTreeMap<u64, &Probe> = probes.iter().map(|probe| (probe.id, probe)).collect();
        let asked: Vec<(Tuple, &Probe)> = tuples
            .into_iter()
            .map(|(tuple, id)| (tuple, probes[&id]))
            .collect();
        let denied: Vec<_> = asked.iter().filter(|(_, probe)| !probe.allowed).collect();
        let begin = Instant::now();
        let missing = loop {
            let missing = denied.iter().find(|(tuple, probe)| {
                // After translation the ports are others.
                probe.source == probe.from
                    && probe.backends.is_none()
                    && !self.shared.dropped.lock().unwrap().contains_key(tuple)
            });
            if missing.is_none() || begin.elapsed() > LONG || self.is_lossy(world) {
                break missing;
            }
            tokio::time::sleep(AGAIN / 8).await;
        };
        if let Some((_, probe)) = missing.filter(|_| !self.is_lossy(world)) {
            outcome.wrong(
                probe,
                "it does not arrive, but no program says that it dropped it",
            );
        }
        self.tainted.extend(denied.iter().map(|(tuple, _)| *tuple));
        let dropped = self.shared.dropped.lock().unwrap();
        for (tuple, probe) in asked
            .iter()
            .filter(|(tuple, _)| !self.tainted.contains(tuple))
        {
            if let Some(report) = dropped.get(tuple).or(dropped.get(&reply(*tuple))) {
                outcome.wrong(probe, format!("a packet is dropped: {report}"));
            }
        }
    }

    /// Whether a report was lost on its way here.
    fn is_lossy(&self, world: &World) -> bool {
        let suppressed = |daemon: &Daemon| {
            let status = client::status(daemon.socket(), false);
            status.map_or(true, |status| {
                status.events_suppressed.values().any(|count| *count > 0)
            })
        };
        *self.shared.lost.lock().unwrap() > 0 || world.daemons.iter().any(suppressed)
    }

    /// How many reports were lost since the last time.
    pub(crate) fn take_lost(&self) -> u64 {
        std::mem::take(&mut *self.shared.lost.lock().unwrap())
    }
}

impl Shared {
    fn take(&self, record: &Record) {
        if record.verdict() != Verdict::Denied {
            return;
        }
        if record.count > 1 {
            // Counted together because there were too many: of all but one the ports are not told.
            *self.lost.lock().unwrap() += record.count - 1;
        }
        if let Some(tuple) = tuple_of(record) {
            self.dropped
                .lock()
                .unwrap()
                .insert(tuple, record.to_string());
        }
    }
}

fn tuple_of(record: &Record) -> Option<Tuple> {
    let protocol = ["TCP", "UDP", "SCTP"]
        .into_iter()
        .find(|name| **name == record.protocol.to_string())?;
    let end = |party: &Party| Some(SocketAddr::new(party.address?, party.port?));
    Some((protocol, end(&record.source)?, end(&record.destination)?))
}

fn reply((protocol, client, server): Tuple) -> Tuple {
    (protocol, server, client)
}
