//! The kernel's connection table, read by ctnetlink (`linux/netfilter/nfnetlink_conntrack.h`).
//!
//! - [`parse`]: one entry from its bytes;
//! - `question`: what to ask;
//! - [`dump`]: asking, with a limit in time.
//!
//! By hand over the attribute walk of `netlink-packet-core`: the crate of that family for netfilter
//! knows no ICMP, no SCTP and no zones, and allocates for every attribute, of which a full
//! table has ten million.

mod attribute;
pub mod dump;
pub mod parse;
mod question;

use std::net::{IpAddr, Ipv4Addr};

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
