//! One test of a filter: one of its values must hold.

use enforcer_common::parse::number;
use enforcer_flows::{Protocol, Record};

use super::names::NodePattern;
use super::side::{Side, SideTest};
use crate::convert::{direction, event, ip, is_answer, node_name, uuid, verdict};
use crate::node::Node;
use crate::proto::flow::EventTypeFilter;

/// One test. Enumerations are numbers: clients may ask for those that are never sent.
#[derive(Debug)]
pub(super) enum Test {
    Uuid(Vec<String>),
    Event(Vec<EventTypeFilter>),
    Verdict(Vec<i32>),
    DropReason(Vec<i32>),
    Reply(Vec<bool>),
    Direction(Vec<i32>),
    Version(Vec<i32>),
    Protocol(Vec<Layer>),
    Node(Vec<NodePattern>),
    Side(Side, SideTest),
}

/// A protocol, or both of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Icmp,
    Ip(u8),
}

/// What names of protocols mean.
pub(super) const LAYERS: [(&str, Layer); 8] = [
    ("icmp", Layer::Icmp),
    ("icmpv4", Layer::Ip(number::ICMP)),
    ("icmpv6", Layer::Ip(number::ICMPV6)),
    ("tcp", Layer::Ip(number::TCP)),
    ("udp", Layer::Ip(number::UDP)),
    ("sctp", Layer::Ip(number::SCTP)),
    ("vrrp", Layer::Ip(112)),
    ("igmp", Layer::Ip(2)),
];

impl Test {
    pub(super) fn holds(&self, record: &Record, node: &Node) -> bool {
        match self {
            Self::Uuid(all) => all.contains(&uuid::uuid(record, node)),
            Self::Event(all) => all.iter().any(|one| event::is_meant(record, *one)),
            Self::Verdict(all) => all.contains(&verdict(record).into()),
            Self::DropReason(all) => all.contains(&event::drop_reason(record).into()),
            Self::Reply(all) => all.contains(&is_answer(record)),
            Self::Direction(all) => all.contains(&direction(record).into()),
            Self::Version(all) => all.contains(&ip::version(record).into()),
            Self::Protocol(all) => all.iter().any(|layer| layer.is(record.protocol)),
            Self::Node(all) => {
                let name = node_name(record, node);
                all.iter().any(|pattern| pattern.matches(&name))
            }
            Self::Side(side, test) => test.holds(side.of(record), record, node),
        }
    }
}

impl Layer {
    fn is(self, protocol: Protocol) -> bool {
        match self {
            Self::Icmp => protocol.is_icmp(),
            Self::Ip(number) => protocol == Protocol::Ip(number),
        }
    }
}
