//! Work on the kernel's table of connections.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Event, EventKind};
use enforcer_common::parse::number;

use crate::datapath::conntrack::dump::{self, DumpError, Extent};
use crate::datapath::conntrack::exact::Table;
use crate::datapath::conntrack::{Answers, Entry, Part};
use crate::datapath::denials::Alike;
use crate::flow::enrich;

/// How long the table is read. 262,144 connections, the kernel's usual limit, take 0.6 seconds of an
/// idle CPU.
const LIMIT: Duration = Duration::from_secs(10);

/// What was read.
pub(in crate::daemon) struct Found {
    /// The translated connections that the pods opened.
    pub(in crate::daemon) translated: Vec<(Entry, Answers)>,
    pub(in crate::daemon) extent: Extent,
    /// How long it took.
    pub(in crate::daemon) time: Duration,
}

/// Reads what these pods opened.
pub(in crate::daemon) fn read(pods: &HashSet<IpAddr>) -> Result<Found, DumpError> {
    let begin = Instant::now();
    let mut translated = Vec::new();
    let mut extent = Extent::Whole;
    let parts = Part::covering(pods.iter().copied(), dump::count(), |address| {
        [Part::OpenedBy(address)]
    });
    for part in parts {
        let read = dump::entries(part, begin + LIMIT, |entry| {
            if pods.contains(&entry.original.source) {
                translated.extend(entry.translated().map(|answers| (entry, answers)));
            }
        })?;
        if read == Extent::Part {
            extent = read;
        }
    }
    Ok(Found {
        translated,
        extent,
        time: begin.elapsed(),
    })
}

/// Removes connections and says how many were there. What fails for one is tried for the others.
pub(in crate::daemon) fn remove(connections: &[Answers]) -> Result<usize, DumpError> {
    let mut table = Table::open()?;
    let mut removed = 0;
    let mut outcome = Ok(());
    for answers in connections {
        match table.remove(answers) {
            Ok(was_there) => removed += usize::from(was_there),
            Err(error) => outcome = Err(error),
        }
    }
    outcome.map(|()| removed)
}

/// The translated connections to which packets belong that the policy of their sender has revoked.
pub(in crate::daemon) fn left_by(batch: &[Alike]) -> Result<Vec<(Entry, Answers)>, DumpError> {
    let revoked: BTreeSet<Answers> = batch
        .iter()
        .filter_map(|one| answers_to(&one.event))
        .collect();
    if revoked.is_empty() {
        return Ok(Vec::new());
    }
    let mut table = Table::open()?;
    let mut found = Vec::new();
    for answers in revoked {
        let translated = |entry: &Entry| entry.translated() == Some(answers);
        let entry = table.find(&answers)?.filter(translated);
        found.extend(entry.map(|entry| (entry, answers)));
    }
    Ok(found)
}

/// What answers a packet of a connection that the policy of its sender has revoked. Who was never
/// reached does not answer, and its client stays with it until it gives up.
fn answers_to(event: &Event) -> Option<Answers> {
    let egress = Direction::Egress as u8;
    let is_it = event.kind == EventKind::Denied as u8
        && event.reason == Reason::Revoked as u8
        && (event.hook, event.direction) == (egress, egress)
        && matches!(event.protocol, number::TCP | number::UDP | number::SCTP);
    let (from, to) = enrich::addresses(event);
    is_it.then_some(Answers {
        protocol: event.protocol,
        from: SocketAddr::new(to?, event.destination_port),
        to: SocketAddr::new(from?, event.source_port),
    })
}

#[cfg(test)]
mod tests {
    use enforcer_common::abi::address;

    use super::*;

    /// A pod's packet to a backend, as `leaving` reports it.
    fn revoked() -> Event {
        let word = |last| address::v4([10, 0, 0, last].into())[0];
        Event {
            source: [word(1), 0, 0, 0],
            destination: [word(2), 0, 0, 0],
            source_port: 5000,
            destination_port: 8080,
            ethertype: number::IPV4,
            protocol: number::UDP,
            kind: EventKind::Denied as u8,
            reason: Reason::Revoked as u8,
            hook: Direction::Egress as u8,
            direction: Direction::Egress as u8,
            ..Event::default()
        }
    }

    #[test]
    fn a_revoked_packet_is_answered_from_where_it_went() {
        let expected = Answers {
            protocol: number::UDP,
            from: "10.0.0.2:8080".parse().unwrap(),
            to: "10.0.0.1:5000".parse().unwrap(),
        };
        assert_eq!(answers_to(&revoked()), Some(expected));
    }

    #[test]
    fn only_what_the_policy_of_a_sender_has_revoked_left_anything() {
        let ingress = Direction::Ingress as u8;
        for other in [
            Event {
                kind: EventKind::Audit as u8,
                ..revoked()
            },
            Event {
                kind: EventKind::Allowed as u8,
                ..revoked()
            },
            Event {
                reason: Reason::PolicyDenied as u8,
                ..revoked()
            },
            Event {
                hook: ingress,
                ..revoked()
            },
            Event {
                direction: ingress,
                ..revoked()
            },
            Event {
                protocol: number::ICMP,
                ..revoked()
            },
        ] {
            assert_eq!(answers_to(&other), None, "{other:?}");
        }
    }
}
