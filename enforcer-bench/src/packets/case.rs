//! What is measured: the first table of the issue, case by case.

use std::net::{IpAddr, Ipv4Addr};

use enforcer::datapath::frame::{self, ACK, SYN};
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, address};
use enforcer_common::parse::number;

use super::cluster::{self, PORT};
use super::driver::Plan;
use super::world::Kind;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Far {
    /// Pods that policy allows.
    Peers,
    /// Addresses of the blocks that policy allows.
    Blocks,
    /// Addresses that it does not.
    Strangers,
}

/// Which connections packets belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    /// One.
    One,
    /// The same one, put into the packet anew each time, as others are.
    Driven,
    /// Those of one address, at random ports.
    Ports,
    /// So many, in random order, all of them opened by the pod before.
    Opened(u32),
    /// Another one each time, at random from very many.
    New,
}

/// One thing to measure at both hooks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Its name.
    pub(super) name: &'static str,
    /// With what programs.
    pub(super) kind: Kind,
    /// Whether a policy isolates the pod.
    pub(super) isolated: bool,
    /// Whether packets are IPv6.
    pub(super) six: bool,
    /// Who is at the other end.
    pub(super) far: Far,
    /// Which connections packets belong to.
    pub(super) connections: Connections,
    /// Whether packets are of connections that the pod opened, and otherwise the first of one.
    pub(super) established: bool,
    /// What the programs must count; `None` when they count nothing.
    pub(super) reason: Option<Reason>,
    /// What it may cost, in nanoseconds.
    pub(super) goal: Option<f64>,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    /// Pods that policy allows.
    pub(super) peers: u32,
    /// Blocks that it allows.
    pub(super) blocks: u32,
    /// Addresses of the large table of which single accesses are measured.
    pub(super) addresses: u32,
    /// Connections in the cases with some and with many.
    pub(super) flows: [u32; 2],
    /// Connections that fill every slot of the table, and then some.
    pub(super) full: u32,
    /// Connections that there is room for in the other cases; `None` for what the daemon has.
    pub(super) room: Option<u32>,
}

/// The first port that clients use.
pub(super) const FIRST_PORT: u16 = 1024;
/// Ports from there on that clients use.
const PORTS: u32 = 60_000;
pub(super) const STRANGERS: u32 = 1 << 24;

/// What most cases have in common.
const PLAIN: Case = Case {
    name: "",
    kind: Kind::Usual,
    isolated: true,
    six: false,
    far: Far::Peers,
    connections: Connections::One,
    established: false,
    reason: None,
    goal: None,
};

/// All of them.
pub(super) fn all(amounts: Amounts) -> Vec<Case> {
    let free = Case {
        name: "no policy isolates the pod",
        isolated: false,
        goal: Some(2.0),
        ..PLAIN
    };
    let mut cases = vec![free];
    cases.extend(established(amounts.flows));
    cases.extend(new());
    cases.extend(denied());
    cases
}

/// The cases that the short way answers, one connection each.
pub(super) fn short(amounts: Amounts) -> Vec<Case> {
    let mut cases = all(amounts);
    cases.retain(|case| {
        let hot = case.connections == Connections::One;
        hot && (case.established || !case.isolated)
    });
    cases
}

fn established([some, many]: [u32; 2]) -> [Case; 5] {
    let hot = Case {
        established: true,
        reason: Some(Reason::Established),
        ..PLAIN
    };
    [
        Case {
            name: "established, one hot connection, IPv4",
            goal: Some(10.0),
            ..hot
        },
        Case {
            name: "established, one hot connection, IPv6",
            six: true,
            goal: Some(14.0),
            ..hot
        },
        Case {
            name: "established, 64 k connections in random order",
            kind: Kind::Flows(2 * some),
            connections: Connections::Opened(some),
            goal: Some(120.0),
            ..hot
        },
        Case {
            name: "established, 64 k connections in random order, IPv6",
            kind: Kind::Flows(2 * some),
            six: true,
            connections: Connections::Opened(some),
            ..hot
        },
        Case {
            name: "established, 1 M connections in random order",
            kind: Kind::Flows(2 * many),
            connections: Connections::Opened(many),
            goal: Some(300.0),
            ..hot
        },
    ]
}

fn new() -> [Case; 7] {
    let new = Case {
        connections: Connections::New,
        reason: Some(Reason::Allowed),
        ..PLAIN
    };
    [
        Case {
            name: "new, allowed by a pod selector, the decision alone, one hot connection",
            kind: Kind::Untracked,
            connections: Connections::One,
            goal: Some(130.0),
            ..new
        },
        Case {
            name: "new, allowed by a pod selector, the decision alone",
            kind: Kind::Untracked,
            goal: Some(130.0),
            ..new
        },
        Case {
            name: "new, allowed by 10 k blocks, the decision alone, one hot connection",
            kind: Kind::UntrackedBlocks,
            connections: Connections::One,
            far: Far::Blocks,
            goal: Some(220.0),
            ..new
        },
        Case {
            name: "new, allowed by 10 k blocks, the decision alone",
            kind: Kind::UntrackedBlocks,
            far: Far::Blocks,
            goal: Some(220.0),
            ..new
        },
        Case {
            name: "new, allowed by a pod selector, remembered",
            kind: Kind::Remembered,
            goal: Some(450.0),
            ..new
        },
        Case {
            name: "new, allowed by 10 k blocks, remembered",
            kind: Kind::RememberedBlocks,
            far: Far::Blocks,
            goal: Some(450.0),
            ..new
        },
        Case {
            name: "new, allowed, remembered, its event read",
            kind: Kind::Events,
            ..new
        },
    ]
}

fn denied() -> [Case; 5] {
    let denied = Case {
        far: Far::Strangers,
        connections: Connections::New,
        reason: Some(Reason::PolicyDenied),
        ..PLAIN
    };
    [
        Case {
            name: "denied, one hot connection",
            connections: Connections::One,
            goal: Some(150.0),
            ..denied
        },
        Case {
            name: "denied, random addresses",
            goal: Some(150.0),
            ..denied
        },
        Case {
            name: "denied, random addresses, the table of connections full",
            kind: Kind::Full,
            ..denied
        },
        Case {
            name: "denied, random addresses, 10 k blocks",
            kind: Kind::Blocks,
            ..denied
        },
        Case {
            name: "denied, random addresses, its event read",
            kind: Kind::Events,
            ..denied
        },
    ]
}

impl Case {
    /// What the driver makes of the packets at a hook.
    pub(super) fn plan(&self, hook: Direction, amounts: Amounts) -> Plan {
        let (peers, first, stride) = match self.far {
            Far::Peers => (amounts.peers, cluster::PEER_V4, 1),
            Far::Blocks => (amounts.blocks, cluster::BLOCK, cluster::BLOCK_STRIDE),
            Far::Strangers => (STRANGERS, cluster::STRANGER, 1),
        };
        let peers = match self.connections {
            Connections::Driven | Connections::Ports => 1,
            Connections::One | Connections::Opened(_) | Connections::New => peers,
        };
        let count = match self.connections {
            Connections::One | Connections::Driven => 1,
            Connections::Ports => PORTS,
            Connections::Opened(count) => count,
            Connections::New => peers.saturating_mul(PORTS),
        };
        let mut flags = Plan::RANDOM;
        if hook == Direction::Egress {
            flags |= Plan::FROM_POD;
        } else if self.established {
            flags |= Plan::TO_PORT;
        }
        if self.six {
            flags |= Plan::SIX;
        }
        Plan {
            state: u64::from(count) ^ hook as u64,
            turn: 0,
            count,
            peers,
            // IPv6 peers have numbers of their own from 0 on.
            base: if self.six { 0 } else { first.to_bits() },
            stride,
            first_port: u32::from(FIRST_PORT),
            other_port: u32::from(PORT),
            flags,
            pod: match self.own() {
                IpAddr::V4(own) => [address::v4(own)[0], 0, 0, 0],
                IpAddr::V6(own) => address::v6(own),
            },
            prefix: {
                let [first, second, third, _] = address::v6(cluster::PEER_V6);
                [first, second, third]
            },
            found: 0,
            reserved: [0; 5],
        }
    }

    /// Who opens which connections before anything is measured, as a case of its own.
    pub(super) fn before(&self, amounts: Amounts) -> Option<Self> {
        match (self.connections, self.kind) {
            (Connections::Opened(_), _) => Some(*self),
            (_, Kind::Full) => Some(Self {
                far: Far::Peers,
                connections: Connections::Opened(amounts.full),
                ..*self
            }),
            _ => None,
        }
    }

    /// The plan by which all connections are opened, each once.
    pub(super) fn opening(&self, amounts: Amounts) -> Plan {
        let mut plan = self.plan(Direction::Egress, amounts);
        plan.flags &= !Plan::RANDOM;
        plan
    }

    /// A packet at a hook, of the first of the connections. `opens` asks for the packet that opens it.
    pub(super) fn packet(&self, hook: Direction, opens: bool) -> Option<Vec<u8>> {
        let (own, far) = (self.own(), self.far());
        let client = (FIRST_PORT, PORT);
        let server = (PORT, FIRST_PORT);
        let flags = if opens || !self.established { SYN } else { ACK };
        let (source, destination, ports) = match hook {
            Direction::Egress => (own, far, client),
            Direction::Ingress if self.established => (far, own, server),
            Direction::Ingress => (far, own, client),
        };
        frame::ip(source, destination, number::TCP, &frame::tcp(ports, flags))
    }

    fn own_v4(&self) -> Ipv4Addr {
        let next = u32::from(!self.isolated);
        Ipv4Addr::from_bits(cluster::OWN_V4.to_bits() + next)
    }

    fn own(&self) -> IpAddr {
        if self.six {
            cluster::OWN_V6.into()
        } else {
            self.own_v4().into()
        }
    }

    fn far(&self) -> IpAddr {
        match self.far {
            Far::Peers if self.six => cluster::PEER_V6.into(),
            Far::Peers => cluster::PEER_V4.into(),
            Far::Blocks => cluster::BLOCK.into(),
            Far::Strangers => cluster::STRANGER.into(),
        }
    }
}
