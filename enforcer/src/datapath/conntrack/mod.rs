//! The kernel's connection table, read by ctnetlink (`linux/netfilter/nfnetlink_conntrack.h`).
//!
//! - [`parse`]: one entry from its bytes;
//! - `question`: what to ask;
//! - [`dump`]: asking, with a limit in time;
//! - [`exact`]: one connection asked for or removed.
//!
//! By hand over the attribute walk of `netlink-packet-core`: the crate of that family for netfilter
//! knows no ICMP, no SCTP and no zones, and allocates for every attribute, of which a full
//! table has ten million.

mod attribute;
pub mod dump;
pub mod exact;
pub mod parse;
mod question;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use enforcer_common::parse::number;

/// A connection as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// IANA protocol number.
    pub protocol: u8,
    /// As the side that opened it sends.
    pub original: Tuple,
    /// As the other side answers: what translation makes different shows here.
    pub reply: Tuple,
    /// How far it is.
    pub state: State,
}

/// What the side that answers a connection sends, of a protocol with ports. No two connections
/// have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answers {
    /// IANA protocol number.
    pub protocol: u8,
    /// Who answers: behind whatever translates the connection's destination.
    pub from: SocketAddr,
    /// Whom it takes for the client.
    pub to: SocketAddr,
}

impl Entry {
    /// What the other side sends, if it is another one than the opener asked, because the
    /// connection's destination is translated.
    pub fn translated(&self) -> Option<Answers> {
        let (Ports::Pair(_, asked), Ports::Pair(from, to)) =
            (self.original.ports, self.reply.ports)
        else {
            return None;
        };
        let answers = Answers {
            protocol: self.protocol,
            from: SocketAddr::new(self.reply.source, from),
            to: SocketAddr::new(self.reply.destination, to),
        };
        let has_ports = matches!(self.protocol, number::TCP | number::UDP | number::SCTP);
        let asked = SocketAddr::new(self.original.destination, asked);
        (has_ports && answers.from != asked).then_some(answers)
    }
}

/// The addresses and ports of one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// The sender's and the receiver's port; of ICMP see [`Ports::Echo`].
    pub ports: Ports,
}

/// What tells apart connections of the same addresses and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Source and destination port.
    Pair(u16, u16),
    /// The identifier of an ICMP or `ICMPv6` echo, the same in both directions unless translated.
    Echo(u16),
    /// A protocol that the table does not look into.
    None,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being opened, or open.
    Open,
    /// One side or both have ended it.
    Closing,
    /// The table met it in its middle: it does not know who opened it.
    PickedUp,
}

/// Which part of the table is asked for. What the kernel leaves out costs it a tenth of what it
/// hands over.
///
/// There is no such part for an IPv6 address: the kernel's filter leaves out those that are equal
/// instead of those that are not (`ctnetlink_filter_match_tuple`, still so in Linux 6.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, both families.
    Whole,
    /// The connections of IPv6.
    V6,
    /// Those that this address opened.
    OpenedBy(Ipv4Addr),
    /// Those that were opened to this address, whichever address they were meant for.
    OpenedTo(Ipv4Addr),
}

impl Part {
    /// The parts of a table with so many entries (none: nobody knows) that hold what these addresses
    /// have: what is fastest to read. `of_one` are those for one IPv4 address. Each part costs the kernel a walk
    /// over the whole table, which is a matter of a few milliseconds, and what it hands over costs
    /// ten times as much as what it leaves out. Of an empty table there is nothing to read.
    pub fn covering<const N: usize>(
        addresses: impl IntoIterator<Item = IpAddr>,
        entries: Option<u32>,
        of_one: impl Fn(Ipv4Addr) -> [Self; N],
    ) -> Vec<Self> {
        const FEW_WALKS: usize = 4;
        const MANY_ENTRIES: u32 = 25_000;
        if entries == Some(0) {
            return Vec::new();
        }
        let (mut v4, mut has_v6) = (BTreeSet::new(), false);
        for address in addresses {
            match address {
                IpAddr::V4(address) => drop(v4.insert(address)),
                IpAddr::V6(_) => has_v6 = true,
            }
        }
        if v4.len() * N > FEW_WALKS || entries.unwrap_or_default() < MANY_ENTRIES {
            return vec![Self::Whole];
        }
        v4.into_iter()
            .flat_map(of_one)
            .chain(has_v6.then_some(Self::V6))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(protocol: u8, asked: (&str, u16), answers: (&str, u16)) -> Entry {
        let client: IpAddr = "10.0.0.1".parse().unwrap();
        let ((asked, to), (answers, from)) = (asked, answers);
        let tuple = |source, destination, ports: (u16, u16)| Tuple {
            source,
            destination,
            ports: Ports::Pair(ports.0, ports.1),
        };
        Entry {
            protocol,
            original: tuple(client, asked.parse().unwrap(), (5000, to)),
            reply: tuple(answers.parse().unwrap(), client, (from, 6000)),
            state: State::Open,
        }
    }

    #[test]
    fn a_connection_is_translated_when_another_address_or_port_answers() {
        let found = |asked, answers| entry(number::UDP, asked, answers).translated();
        let backend = ("10.0.0.2", 8080);
        assert_eq!(found(backend, backend), None);
        let expected = Some(Answers {
            protocol: number::UDP,
            from: "10.0.0.2:8080".parse().unwrap(),
            to: "10.0.0.1:6000".parse().unwrap(),
        });
        assert_eq!(found(("10.96.0.10", 8080), backend), expected);
        assert_eq!(found(("10.0.0.2", 80), backend), expected);
    }

    #[test]
    fn what_has_no_ports_is_not_told_by_them() {
        let mut echo = entry(number::ICMP, ("10.96.0.10", 0), ("10.0.0.2", 0));
        assert_eq!(echo.translated(), None);
        echo.original.ports = Ports::Echo(7);
        assert_eq!(echo.translated(), None);
    }
}
