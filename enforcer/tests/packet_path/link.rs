//! A pod's link, and who is around.

use std::net::{IpAddr, Ipv4Addr};

use enforcer::datapath::frame;
use enforcer::datapath::judge::{LINK, OTHER_LINK};
use enforcer::datapath::memory::Memory;
use enforcer_common::Reason;
use enforcer_common::abi::address::FIRST_NODE;
use enforcer_common::abi::{Direction, Endpoint, Peer, PortRange, Verdict, VerdictKey, address};
use enforcer_common::packet::Frame;

pub(crate) const POD: &str = "10.0.0.1";
pub(crate) const POD_V6: &str = "fd00::1";
/// May connect to the pod's TCP port 80 and be connected to on UDP port 53 and TCP port 443.
pub(crate) const FRIEND: &str = "10.0.0.2";
pub(crate) const FRIEND_V6: &str = "fd00::2";
/// May nothing.
pub(crate) const STRANGER: &str = "10.0.0.9";
pub(crate) const STRANGER_V6: &str = "fd00::9";
/// The pod's own node, and another.
pub(crate) const NODE: &str = "192.168.0.1";
pub(crate) const OTHER_NODE: &str = "192.168.0.2";

const SET_IN: u32 = 1;
const SET_OUT: u32 = 2;
/// A set that denies everything.
pub(crate) const SET_NOTHING: u32 = 3;
/// A set that allows everything.
pub(crate) const SET_ALL: u32 = 4;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const SCTP: u8 = 132;

/// A pod's link and what is written for it.
pub(crate) struct Link {
    pub(crate) memory: Memory,
    pub(crate) pod: Endpoint,
}

impl Link {
    /// A pod that is isolated both ways, with its source checked.
    pub(crate) fn isolated() -> Self {
        let mut memory = Memory::default();
        for (text, identity, node) in [
            (FRIEND, 1, 0),
            (FRIEND_V6, 1, 0),
            (NODE, 0, FIRST_NODE),
            (OTHER_NODE, 0, FIRST_NODE + 1),
        ] {
            let peer = Peer {
                identity,
                node,
                flags: 0,
            };
            memory.tables.addresses.insert(ip(text), peer);
        }
        memory.tables.ports = vec![range(TCP, 80), range(TCP, 443), range(UDP, 53)];
        let list = |offset, length| Verdict {
            offset,
            length,
            default_allow: 0,
        };
        for (set, identity, verdict) in [
            (SET_IN, 0, Verdict::DENY_ALL),
            (SET_IN, 1, list(0, 1)),
            (SET_OUT, 1, list(1, 2)),
            (SET_NOTHING, 0, Verdict::DENY_ALL),
            (SET_ALL, 0, Verdict::ALLOW_ALL),
        ] {
            let key = VerdictKey { set, identity };
            memory.tables.verdicts.insert(key, verdict);
        }
        let (IpAddr::V4(v4), IpAddr::V6(v6)) = (ip(POD), ip(POD_V6)) else {
            unreachable!("the pod's addresses are of these families");
        };
        let pod = Endpoint {
            id: 1,
            flags: Endpoint::ISOLATED | Endpoint::CHECK_SOURCE,
            revisions: [1, 1],
            sets: [SET_IN, SET_OUT],
            node: FIRST_NODE,
            v4: address::v4(v4),
            v6: address::v6(v6),
            ..Endpoint::default()
        };
        Self { memory, pod }
    }

    /// A pod that no policy selects.
    pub(crate) fn open() -> Self {
        let mut link = Self::isolated();
        link.pod.flags = Endpoint::CHECK_SOURCE;
        link.pod.sets = [0, 0];
        link
    }

    /// A pod with these flags more.
    pub(crate) fn with(flags: u32) -> Self {
        let mut link = Self::isolated();
        link.pod.flags |= flags;
        link
    }

    /// The pod sends this.
    pub(crate) fn sends(&mut self, bytes: &[u8]) -> Reason {
        self.judge(Direction::Egress, LINK, bytes)
    }

    /// This arrives for the pod from elsewhere.
    pub(crate) fn gets(&mut self, bytes: &[u8]) -> Reason {
        self.judge(Direction::Ingress, OTHER_LINK, bytes)
    }

    /// This arrives for the pod through a link, 0 being the host itself.
    pub(crate) fn gets_through(&mut self, ingress_ifindex: u32, bytes: &[u8]) -> Reason {
        self.judge(Direction::Ingress, ingress_ifindex, bytes)
    }

    fn judge(&mut self, hook: Direction, ingress_ifindex: u32, bytes: &[u8]) -> Reason {
        self.judge_frame(
            hook,
            &Frame {
                bytes,
                ingress_ifindex,
                ..Frame::default()
            },
        )
    }

    /// With everything that a packet can carry beside its bytes.
    pub(crate) fn judge_frame(&mut self, hook: Direction, frame: &Frame<'_>) -> Reason {
        self.memory.links.insert(LINK, self.pod);
        let frame = Frame {
            ifindex: LINK,
            ..frame.clone()
        };
        self.memory.process(&frame, hook)
    }

    /// A policy changes: the pod's set in a direction, and its revision, because something that was
    /// allowed may be no more.
    pub(crate) fn change(&mut self, direction: Direction, set: u32) {
        self.pod.sets[direction.index()] = set;
        self.pod.revisions[direction.index()] += 1;
    }
}

fn range(protocol: u8, port: u16) -> PortRange {
    PortRange {
        protocol,
        allow: 1,
        low: port,
        high: port,
        reserved: 0,
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// A packet with this transport header and payload.
pub(crate) fn packet(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    frame::ip(ip(from), ip(to), protocol, payload).unwrap()
}

/// A TCP segment with the ports (source, destination).
pub(crate) fn tcp(from: &str, to: &str, ports: (u16, u16), flags: u8) -> Vec<u8> {
    packet(from, to, TCP, &frame::tcp(ports, flags))
}

/// The first segment of a connection.
pub(crate) fn syn(from: &str, to: &str, ports: (u16, u16)) -> Vec<u8> {
    tcp(from, to, ports, frame::SYN)
}

/// The answer to it.
pub(crate) fn syn_ack(from: &str, to: &str, ports: (u16, u16)) -> Vec<u8> {
    tcp(from, to, ports, frame::SYN | frame::ACK)
}

pub(crate) fn udp(from: &str, to: &str, ports: (u16, u16)) -> Vec<u8> {
    packet(from, to, UDP, &frame::udp(ports, b"data"))
}
