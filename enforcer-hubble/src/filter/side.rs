//! Tests of one side of a flow.

use enforcer_flows::{Party, Record};
use ipnet::IpNet;

use super::labels::Selector;
use super::names::Beginning;
use crate::convert::endpoint;
use crate::node::Node;
use crate::proto::flow::Workload;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

#[derive(Debug)]
pub(super) enum SideTest {
    Identity(Vec<u32>),
    Ip(Vec<IpNet>),
    Pod(Vec<Beginning>),
    Service(Vec<Beginning>),
    Workload(Vec<Workload>),
    Label(Vec<Selector>),
    Port(Vec<u16>),
    Cluster(Vec<String>),
}

impl Side {
    pub(super) const fn of(self, record: &Record) -> &Party {
        match self {
            Self::Source => &record.source,
            Self::Destination => &record.destination,
        }
    }
}

impl SideTest {
    pub(super) fn holds(&self, party: &Party, record: &Record, node: &Node) -> bool {
        match self {
            Self::Identity(all) => all.contains(&endpoint::identity(party, record, node)),
            Self::Ip(all) => {
                let within = |net: &IpNet| party.address.is_some_and(|one| net.contains(&one));
                all.iter().any(within)
            }
            Self::Pod(all) => {
                let is = |key: &Beginning| {
                    let pod = party.pod();
                    pod.is_some_and(|pod| key.matches(&pod.namespace, &pod.name))
                };
                all.iter().any(is)
            }
            Self::Service(all) => {
                let is = |key: &Beginning| {
                    let service = party.service();
                    service.is_some_and(|one| key.matches(&one.namespace, &one.name))
                };
                all.iter().any(is)
            }
            Self::Workload(all) => all.iter().any(|one| is_workload(party, one)),
            Self::Label(all) => {
                let reserved = endpoint::reserved(party, record, node);
                all.iter().any(|one| one.matches(party, reserved, node))
            }
            Self::Port(all) => party.port.is_some_and(|port| all.contains(&port)),
            Self::Cluster(all) => all.iter().any(|one| endpoint::cluster(party, node) == one),
        }
    }
}

/// What a workload leaves out may be anything.
fn is_workload(party: &Party, wanted: &Workload) -> bool {
    let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    party
        .workload()
        .is_some_and(|one| is(&wanted.name, one.name()) && is(&wanted.kind, one.kind()))
}
