//! The JSON form of a record: see `docs/flows.md`. Members that say nothing are left out; members that
//! this version does not know are passed over, so that newer daemons may say more.

mod texts;

use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{PodKey, ServiceKey, Workload};
use enforcer_policy::rule::PolicyKey;
use enforcer_policy::selector::Labels;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Context, Icmp, Kind, Nearest, Party, Protocol, Record, RuleName, TcpFlags};
use super::{Total, Verdict, Who};
use texts::{LabelMap, Text};

/// A record as JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    sequence: u64,
    time: Text<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Text<Name>>,
    kind: Kind,
    /// Follows from `kind`; for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    reason: Text<Reason>,
    direction: Text<Direction>,
    hook: Text<Direction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<Text<PodKey>>,
    protocol: Text<Protocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icmp: Option<WireIcmp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flags: Option<Text<TcpFlags>>,
    source: WireParty,
    destination: WireParty,
    policies: Vec<Text<PolicyKey>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowed_by: Option<WireRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nearest: Option<WireNearest>,
    count: u64,
    length: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<WireTotal>,
}

#[derive(Serialize, Deserialize)]
struct WireIcmp {
    #[serde(rename = "type")]
    kind: u8,
    code: u8,
}

#[derive(Serialize, Deserialize)]
struct WireParty {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Text<PodKey>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<Text<Workload>>,
    #[serde(default, skip_serializing_if = "LabelMap::is_empty")]
    labels: LabelMap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Text<Name>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<Text<ServiceKey>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct WireRule {
    policy: Text<PolicyKey>,
    rule: Text<Name>,
}

#[derive(Serialize, Deserialize)]
struct WireNearest {
    policy: Text<PolicyKey>,
    rule: Text<Name>,
    lacks: Box<[Box<str>]>,
}

#[derive(Serialize, Deserialize)]
struct WireTotal {
    packets: u64,
    bytes: u64,
    duration_ns: u64,
}

impl From<Record> for Wire {
    fn from(record: Record) -> Self {
        let context = &record.context;
        Self {
            sequence: record.sequence,
            time: Text(record.time),
            node: context.node.clone().map(Text),
            kind: record.kind,
            verdict: Some(record.verdict()),
            reason: Text(record.reason),
            direction: Text(record.direction),
            hook: Text(record.hook),
            endpoint: context.endpoint.clone().map(Text),
            protocol: Text(record.protocol),
            icmp: record
                .icmp
                .map(|Icmp { kind, code }| WireIcmp { kind, code }),
            flags: record.flags.map(Text),
            policies: context.policies.iter().cloned().map(Text).collect(),
            allowed_by: context.allowed_by.clone().map(|one| WireRule {
                policy: Text(one.policy),
                rule: Text(one.rule),
            }),
            nearest: context.nearest.clone().map(|one| WireNearest {
                policy: Text(one.rule.policy),
                rule: Text(one.rule.rule),
                lacks: one.lacks,
            }),
            count: record.count,
            length: record.length,
            total: record.total.map(|total| WireTotal {
                packets: total.packets,
                bytes: total.bytes,
                duration_ns: total.duration,
            }),
            source: record.source.into(),
            destination: record.destination.into(),
        }
    }
}

impl From<Wire> for Record {
    fn from(wire: Wire) -> Self {
        let context = Context {
            node: wire.node.map(|text| text.0),
            endpoint: wire.endpoint.map(|text| text.0),
            policies: wire.policies.into_iter().map(|text| text.0).collect(),
            allowed_by: wire.allowed_by.map(|one| RuleName {
                policy: one.policy.0,
                rule: one.rule.0,
            }),
            nearest: wire.nearest.map(|one| Nearest {
                rule: RuleName {
                    policy: one.policy.0,
                    rule: one.rule.0,
                },
                lacks: one.lacks,
            }),
        };
        Self {
            sequence: wire.sequence,
            time: wire.time.0,
            kind: wire.kind,
            reason: wire.reason.0,
            direction: wire.direction.0,
            hook: wire.hook.0,
            protocol: wire.protocol.0,
            icmp: wire.icmp.map(|WireIcmp { kind, code }| Icmp { kind, code }),
            flags: wire.flags.map(|text| text.0),
            source: wire.source.into(),
            destination: wire.destination.into(),
            count: wire.count,
            length: wire.length,
            total: wire.total.map(|total| {
                Box::new(Total {
                    packets: total.packets,
                    bytes: total.bytes,
                    duration: total.duration_ns,
                })
            }),
            context: Arc::new(context),
        }
    }
}

impl From<Party> for WireParty {
    fn from(party: Party) -> Self {
        let who = party.who.as_deref();
        Self {
            address: party.address,
            port: party.port,
            pod: party.pod().cloned().map(Text),
            workload: party.workload().cloned().map(Text),
            labels: LabelMap(who.map(|who| who.labels.clone()).unwrap_or_default()),
            node: party.node().cloned().map(Text),
            service: party.service().cloned().map(Text),
            identity: party.identity,
        }
    }
}

impl From<WireParty> for Party {
    fn from(wire: WireParty) -> Self {
        let who = Who {
            pod: wire.pod.map(|text| text.0),
            workload: wire.workload.map(|text| text.0),
            labels: Labels::clone(&wire.labels.0),
            node: wire.node.map(|text| text.0),
            service: wire.service.map(|text| text.0),
        };
        Self {
            address: wire.address,
            port: wire.port,
            identity: wire.identity,
            who: (!who.is_nobody()).then(|| Arc::new(who)),
        }
    }
}
