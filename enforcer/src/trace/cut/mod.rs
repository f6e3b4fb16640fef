//! Which live connections of a node a change of manifests would cut.
//!
//! ```text
//! tracked flows, kernel's table ─→ connections ─→ next packet of each, at its ends on this node
//!         ├─ in the node as it is:        dropped → not live, passed over
//!         └─ in the node as it would be:  dropped → cut
//! ```
//!
//! Both worlds are compiled by the compiler and asked through the verdict algorithm of the kernel,
//! with the flow known and its revision old: that is what a change of policy does to a flow.

mod change;
mod connection;
mod report;
mod text;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use enforcer_common::abi::Direction;
use enforcer_common::parse::number;
use enforcer_common::{Action, Reason};
use enforcer_policy::compile::{Capacity, Scope};
use enforcer_policy::model::{Cluster, PodKey};

use crate::datapath::conntrack::Entry;
use crate::datapath::discover::Links;
use crate::datapath::flows::Tracked;
use crate::datapath::judge::JudgeError;
use crate::flow::enrich::name_of;
pub use change::{Change, ChangeError};
use connection::{Connection, Seen, add_entries, of_flows};
pub use report::{Cut, End, Report, Side, State};
pub use text::write_text;
use world::{Site, World};

/// What a node is beside the objects of its cluster.
#[derive(Debug)]
pub struct Node {
    /// Its name; without one, every pod with a link here is enforced.
    pub name: Option<String>,
    /// Room in its maps.
    pub capacity: Capacity,
    /// Its own addresses.
    pub local_addresses: BTreeSet<IpAddr>,
    /// Its links.
    pub links: Links,
    /// Nothing passes at links whose pod is not known.
    pub pending_deny: bool,
}

impl Node {
    fn scope(&self) -> Scope {
        self.name.clone().map_or(Scope::All, Scope::Node)
    }
}

/// The connections of a node.
#[derive(Debug, Default)]
pub struct Traffic {
    /// The flows that the programs track.
    pub flows: Vec<Tracked>,
    /// The pods by the numbers that their flows have.
    pub owners: BTreeMap<u32, PodKey>,
    /// What the kernel's own table has, where it can be read: for pods that no policy isolates yet,
    /// whose flows are not tracked.
    pub entries: Vec<Entry>,
}

/// What becomes of the connections of a node when the objects of the cluster change from `now` to
/// `then`.
///
/// # Errors
/// When the verdict algorithm cannot be asked.
pub fn cut(
    node: &Node,
    now: &Cluster,
    then: &Cluster,
    traffic: &Traffic,
) -> Result<Report, JudgeError> {
    let mut worlds = Worlds {
        now: World::new(node, now),
        then: World::after(node, now, then),
    };
    let mut connections = of_flows(&traffic.flows, &traffic.owners);
    let entries = &traffic.entries;
    add_entries(&mut connections, entries, &node.local_addresses, |own| {
        worlds.now.tracks_nothing_at(own)
    });
    let mut report = Report::default();
    if entries.is_empty() {
        report.notes.extend(worlds.unknown());
    }
    for (connection, seen) in connections {
        match worlds.ask(&connection, seen)? {
            Fate::NotLive => {}
            Fate::Kept => report.kept += 1,
            Fate::Cut(denied_at) => {
                let cut = worlds.describe(&connection, seen.idle, denied_at);
                report.cut.push(cut);
            }
        }
    }
    Ok(report)
}

/// What becomes of a connection.
enum Fate {
    /// It is denied already.
    NotLive,
    Kept,
    Cut(Vec<End>),
}

struct Worlds {
    now: World,
    then: World,
}

impl Worlds {
    fn ask(&mut self, connection: &Connection, seen: Seen) -> Result<Fate, JudgeError> {
        let mut denied_at = Vec::new();
        let mut ends = 0;
        for direction in [Direction::Egress, Direction::Ingress] {
            let (own, _) = connection.ends(direction);
            // Where nobody has seen it, it is taken to look as at the other end.
            let known = seen.at[direction.index()]
                || (!seen.translated && self.now.tracks_nothing_at(own.ip()));
            let Some(site) = self.now.site(own.ip()).filter(|_| known).cloned() else {
                continue;
            };
            ends += 1;
            let now = self.now.judge(&site, connection, direction)?;
            if now.action() == Action::Drop {
                return Ok(Fate::NotLive);
            }
            let then = self.then.judge(&site, connection, direction)?;
            if then.action() == Action::Drop {
                denied_at.push(self.end(&site, connection, direction, [now, then]));
            }
        }
        Ok(match (ends, denied_at.is_empty()) {
            (0, _) => Fate::NotLive,
            (_, true) => Fate::Kept,
            (_, false) => Fate::Cut(denied_at),
        })
    }

    fn end(
        &self,
        site: &Site,
        connection: &Connection,
        direction: Direction,
        [now, then]: [Reason; 2],
    ) -> End {
        End {
            pod: site.pod.to_string(),
            direction: name_of(direction).to_owned(),
            now: self.now.state(site, connection, direction, now),
            then: self.then.state(site, connection, direction, then),
        }
    }

    fn describe(&self, connection: &Connection, idle: Option<u32>, denied_at: Vec<End>) -> Cut {
        let Connection {
            protocol,
            client,
            server,
        } = *connection;
        Cut {
            protocol: enforcer_flows::Protocol::Ip(protocol).to_string(),
            client: self.side(client, protocol),
            server: self.side(server, protocol),
            idle_seconds: idle,
            denied_at,
        }
    }

    fn side(&self, end: SocketAddr, protocol: u8) -> Side {
        let ports = matches!(protocol, number::TCP | number::UDP | number::SCTP);
        Side {
            who: self.now.name(end.ip()),
            address: end.ip(),
            port: ports.then_some(end.port()),
        }
    }

    /// What nobody knows without the kernel's table.
    fn unknown(&self) -> Option<String> {
        let begins = |pod: &PodKey| !self.now.isolates(pod) && self.then.isolates(pod);
        let pods = self.now.pods().into_iter().filter(|pod| begins(pod));
        let pods: Vec<String> = pods.map(PodKey::to_string).collect();
        (!pods.is_empty()).then(|| {
            format!(
                "no policy isolates {} yet: without the kernel's table of connections, only those \
                 with isolated pods of this node are known",
                pods.join(", ")
            )
        })
    }
}
