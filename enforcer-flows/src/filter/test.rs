//! What is asked of a record.

use std::fmt;

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_policy::rule::PolicyKey;
use ipnet::IpNet;

use super::glob::Glob;
use super::{Selector, What};
use crate::record::{Kind, Party, Protocol, Record, Verdict, direction_name};

/// What is asked, of a side or of the whole record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Test {
    Namespace(Glob),
    Pod(Named),
    Workload(Named),
    Label(Selector),
    Service(Named),
    Ip(IpNet),
    Port(u16, u16),
    Identity(u32),
    Node(Glob),
    Protocol(Protocol),
    Verdict(Verdict),
    Kind(Kind),
    Reason(Name),
    Policy(Named),
    Direction(Dir),
}

/// A name within something: a namespace, or the kind of a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Named {
    pub(super) within: Glob,
    pub(super) name: Glob,
}

/// A reason by its name, which has an order.
pub(super) type Name = &'static str;

/// The number of a direction, which has an order.
pub(super) type Dir = u8;

impl Named {
    fn matches(&self, within: &str, name: &str) -> bool {
        self.name.matches(name) && self.within.matches(within)
    }

    fn is_policy(&self, key: &PolicyKey) -> bool {
        self.matches(key.namespace.as_deref().unwrap_or_default(), &key.name)
    }
}

impl Test {
    /// Whether it holds for one side.
    pub(super) fn holds_for(&self, party: &Party) -> bool {
        match self {
            Self::Namespace(glob) => party.namespace().is_some_and(|one| glob.matches(one)),
            Self::Pod(named) => party
                .pod()
                .is_some_and(|key| named.matches(&key.namespace, &key.name)),
            Self::Workload(named) => party
                .workload()
                .is_some_and(|one| named.matches(one.kind(), one.name())),
            Self::Label(selector) => {
                let who = party.who.as_deref().filter(|who| who.pod.is_some());
                who.is_some_and(|who| selector.matches(&who.labels))
            }
            Self::Service(named) => party
                .service()
                .is_some_and(|key| named.matches(&key.namespace, &key.name)),
            Self::Ip(net) => party.address.is_some_and(|one| net.contains(&one)),
            Self::Port(low, high) => party.port.is_some_and(|one| (low..=high).contains(&&one)),
            Self::Identity(number) => party.identity == Some(*number),
            Self::Node(glob) => party.node().is_some_and(|one| glob.matches(one)),
            Self::Protocol(_)
            | Self::Verdict(_)
            | Self::Kind(_)
            | Self::Reason(_)
            | Self::Policy(_)
            | Self::Direction(_) => false,
        }
    }

    /// Whether it holds for the whole record; without sides, either side may be meant.
    pub(super) fn holds(&self, record: &Record) -> bool {
        let context = &record.context;
        match self {
            Self::Node(glob) => context.node.as_ref().is_some_and(|one| glob.matches(one)),
            Self::Protocol(protocol) => record.protocol == *protocol,
            Self::Verdict(verdict) => record.verdict() == *verdict,
            Self::Kind(kind) => record.kind == *kind,
            Self::Reason(reason) => record.reason.name() == *reason,
            Self::Direction(direction) => record.direction as u8 == *direction,
            Self::Policy(named) => {
                let allowed_by = context.allowed_by.iter().map(|one| &one.policy);
                let mut policies = context.policies.iter().chain(allowed_by);
                policies.any(|key| named.is_policy(key))
            }
            sided => record.parties().into_iter().any(|one| sided.holds_for(one)),
        }
    }

    /// Whether it holds for a node by its name; `None` where it is about something else.
    pub(super) fn means_node(&self, name: &str) -> Option<bool> {
        match self {
            Self::Node(glob) => Some(glob.matches(name)),
            _ => None,
        }
    }

    /// What it is about.
    pub(super) const fn what(&self) -> What {
        match self {
            Self::Namespace(_) => What::Namespace,
            Self::Pod(_) => What::Pod,
            Self::Workload(_) => What::Workload,
            Self::Label(_) => What::Label,
            Self::Service(_) => What::Service,
            Self::Ip(_) => What::Ip,
            Self::Port(..) => What::Port,
            Self::Identity(_) => What::Identity,
            Self::Node(_) => What::Node,
            Self::Protocol(_) => What::Protocol,
            Self::Verdict(_) => What::Verdict,
            Self::Kind(_) => What::Kind,
            Self::Reason(_) => What::Reason,
            Self::Policy(_) => What::Policy,
            Self::Direction(_) => What::Direction,
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.within, self.name)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(glob) | Self::Node(glob) => write!(f, "{glob}"),
            Self::Pod(named)
            | Self::Workload(named)
            | Self::Service(named)
            | Self::Policy(named) => write!(f, "{named}"),
            Self::Label(selector) => write!(f, "{selector}"),
            Self::Ip(net) if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{}", net.addr())
            }
            Self::Ip(net) => write!(f, "{net}"),
            Self::Port(low, high) if low == high => write!(f, "{low}"),
            Self::Port(low, high) => write!(f, "{low}-{high}"),
            Self::Identity(number) => write!(f, "{number}"),
            Self::Protocol(protocol) => write!(f, "{protocol}"),
            Self::Verdict(verdict) => f.write_str(verdict.name()),
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::Reason(reason) => f.write_str(reason),
            Self::Direction(number) => {
                let direction = Direction::from_number(*number);
                f.write_str(direction.map_or("?", direction_name))
            }
        }
    }
}

/// The reason of this name.
pub(super) fn reason(text: &str) -> Option<Name> {
    let mut names = Reason::ALL.iter().map(|one| one.name());
    names.find(|name| name.eq_ignore_ascii_case(text))
}
