//! Cilium's events. There a denial by policy is two of them, a verdict and a drop; a record of ours is
//! shown as the first and found as either.

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_flows::{Kind, Record, Verdict};

use crate::proto::flow;
use crate::proto::flow::{CiliumEventType, DropReason, TraceObservationPoint};

/// Numbers of Cilium's events.
const DROP: i32 = 1;
const TRACE: i32 = 4;
const POLICY_VERDICT: i32 = 5;

/// Numbers of the places where Cilium sees packets, in events.
const TO_ENDPOINT: i32 = 0;
const FROM_ENDPOINT: i32 = 5;

/// How policy matched: nothing did, a rule of peers and ports did, all is allowed.
const NONE: u32 = 0;
const PEER_AND_PORT: u32 = 2;
const ALL: u32 = 4;

/// The event that a record is shown as.
pub(crate) fn main(record: &Record) -> CiliumEventType {
    let event = |r#type, sub_type| CiliumEventType { r#type, sub_type };
    if asked_policy(record) {
        event(POLICY_VERDICT, 0)
    } else if record.verdict() == Verdict::Denied {
        event(DROP, drop_reason(record).into())
    } else {
        event(TRACE, place(record))
    }
}

/// Every event that a record stands for.
pub(crate) fn all(record: &Record) -> impl Iterator<Item = CiliumEventType> {
    let main = main(record);
    let dropped = record.verdict() == Verdict::Denied && main.r#type != DROP;
    let drop = dropped.then(|| CiliumEventType {
        r#type: DROP,
        sub_type: drop_reason(record).into(),
    });
    [main].into_iter().chain(drop)
}

/// Where the packet was seen, if policy was not asked.
pub(crate) fn observed(record: &Record) -> TraceObservationPoint {
    match (main(record).r#type, record.hook) {
        (TRACE, Direction::Ingress) => TraceObservationPoint::ToEndpoint,
        (TRACE, Direction::Egress) => TraceObservationPoint::FromEndpoint,
        _ => TraceObservationPoint::UnknownPoint,
    }
}

fn place(record: &Record) -> i32 {
    match record.hook {
        Direction::Ingress => TO_ENDPOINT,
        Direction::Egress => FROM_ENDPOINT,
    }
}

/// Whether policy decided: a flow that ends was decided about before.
fn asked_policy(record: &Record) -> bool {
    let decided = match record.reason {
        Reason::NotIsolated
        | Reason::Allowed
        | Reason::AuditDenied
        | Reason::PolicyDenied
        | Reason::Revoked => true,
        Reason::Established
        | Reason::OwnNode
        | Reason::OwnPod
        | Reason::Neighbour
        | Reason::RelatedError
        | Reason::PendingAllowed
        | Reason::Spoofed
        | Reason::Malformed
        | Reason::UnknownEthertype
        | Reason::VlanTagged
        | Reason::FragmentUnknown
        | Reason::FragmentEvasive
        | Reason::ExtensionHeaders
        | Reason::SourceRouted
        | Reason::PendingDenied
        | Reason::NoEndpoint
        | Reason::DoesNotFit
        | Reason::Deferred
        | Reason::Undecided => false,
    };
    decided && record.kind != Kind::Closed
}

/// How it matched policy. All our rules have peers and ports, if only all of them.
pub(crate) fn match_type(record: &Record) -> u32 {
    match (record.verdict(), record.reason) {
        (Verdict::Allowed, Reason::Allowed) => PEER_AND_PORT,
        (Verdict::Allowed, Reason::NotIsolated) => ALL,
        _ => NONE,
    }
}

/// The one of Cilium's reasons that comes nearest to why it was dropped.
pub(crate) fn drop_reason(record: &Record) -> DropReason {
    if record.verdict() != Verdict::Denied {
        return DropReason::Unknown;
    }
    match record.reason {
        Reason::PolicyDenied | Reason::Revoked => DropReason::PolicyDenied,
        Reason::Spoofed => DropReason::InvalidSourceIp,
        Reason::Malformed => DropReason::CtTruncatedOrInvalidHeader,
        Reason::UnknownEthertype => DropReason::UnsupportedL3Protocol,
        Reason::VlanTagged => DropReason::VlanFiltered,
        Reason::FragmentUnknown => DropReason::FirstLogicalDatagramFragmentNotFound,
        Reason::FragmentEvasive | Reason::SourceRouted => DropReason::InvalidPacketDropped,
        Reason::ExtensionHeaders => DropReason::InvalidIpv6ExtensionHeader,
        Reason::PendingDenied => DropReason::DropEpNotReady,
        Reason::NoEndpoint | Reason::DoesNotFit => {
            DropReason::NoConfigurationAvailableToPerformPolicyDecision
        }
        Reason::Undecided => DropReason::UnknownSender,
        Reason::NotIsolated
        | Reason::Established
        | Reason::Allowed
        | Reason::OwnNode
        | Reason::OwnPod
        | Reason::Neighbour
        | Reason::RelatedError
        | Reason::PendingAllowed
        | Reason::AuditDenied
        | Reason::Deferred => DropReason::Unknown,
    }
}

/// Whether a filter means one of the events of a record.
pub(crate) fn is_meant(record: &Record, filter: flow::EventTypeFilter) -> bool {
    all(record).any(|event| {
        (filter.r#type == 0 || filter.r#type == event.r#type)
            && (!filter.match_sub_type || filter.sub_type == event.sub_type)
    })
}
