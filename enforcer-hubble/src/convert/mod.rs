//! From our records to Hubble's flows.

pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod ip;
pub(crate) mod layer4;
mod policy;
mod summary;
pub(crate) mod uuid;

#[cfg(test)]
mod tests;

use enforcer_common::abi::Direction;
use enforcer_flows::{Record, Verdict};
use jiff::Timestamp;

use crate::node::Node;
use crate::proto::flow;

/// The name of who tells of flows.
const EMITTER: &str = "enforcer";

/// What a record says, in Hubble's words, as `node` tells it.
pub fn flow(record: &Record, node: &Node) -> flow::Flow {
    let (event, observed) = (event::main(record), event::observed(record));
    let reason = event::drop_reason(record);
    let policies = policy::policies(record);
    let answer = is_answer(record);
    flow::Flow {
        time: Some(time(record.time)),
        uuid: uuid::uuid(record, node),
        emitter: Some(flow::Emitter {
            name: EMITTER.to_owned(),
            version: node.version.clone(),
        }),
        verdict: verdict(record).into(),
        drop_reason: reason as u32,
        drop_reason_desc: reason.into(),
        ip: ip::ip(record),
        l4: layer4::layer4(record),
        source: Some(endpoint::endpoint(&record.source, record, node)),
        destination: Some(endpoint::endpoint(&record.destination, record, node)),
        r#type: flow::FlowType::L3L4.into(),
        node_name: node_name(record, node),
        reply: answer,
        is_reply: Some(answer),
        event_type: Some(event),
        source_service: endpoint::service(&record.source),
        destination_service: endpoint::service(&record.destination),
        traffic_direction: direction(record).into(),
        policy_match_type: event::match_type(record),
        trace_observation_point: observed.into(),
        summary: summary::summary(record),
        egress_allowed_by: policies.egress_allowed,
        ingress_allowed_by: policies.ingress_allowed,
        egress_denied_by: policies.egress_denied,
        ingress_denied_by: policies.ingress_denied,
        policy_log: policies.log,
    }
}

/// `CLUSTER/NODE` that reports.
pub(crate) fn node_name(record: &Record, node: &Node) -> String {
    match &record.context.node {
        Some(name) => format!("{}/{name}", node.cluster),
        None => node.absolute(),
    }
}

/// Whether the packet answers another: it goes the other way than the connection whose policy was asked.
pub(crate) fn is_answer(record: &Record) -> bool {
    record.hook != record.direction
}

pub(crate) fn verdict(record: &Record) -> flow::Verdict {
    match record.verdict() {
        Verdict::Allowed => flow::Verdict::Forwarded,
        Verdict::Denied => flow::Verdict::Dropped,
        Verdict::Audit => flow::Verdict::Audit,
    }
}

pub(crate) fn direction(record: &Record) -> flow::TrafficDirection {
    match record.direction {
        Direction::Ingress => flow::TrafficDirection::Ingress,
        Direction::Egress => flow::TrafficDirection::Egress,
    }
}

/// A moment as protobuf has it: nanoseconds count forwards, also before 1970.
pub(crate) fn time(moment: Timestamp) -> prost_types::Timestamp {
    let nanoseconds = moment.as_nanosecond();
    let second = 1_000_000_000;
    prost_types::Timestamp {
        seconds: i64::try_from(nanoseconds.div_euclid(second)).unwrap_or_default(),
        nanos: i32::try_from(nanoseconds.rem_euclid(second)).unwrap_or_default(),
    }
}
