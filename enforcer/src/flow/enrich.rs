//! From numbers to names.

use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::Reason;
use enforcer_common::abi::address::to_ip;
use enforcer_common::abi::{Direction, Event, EventKind};
use enforcer_common::parse::number;
use enforcer_flows::{Context, Icmp, Kind, Nearest, Party, Protocol, Record, RuleName};
use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::{Explainer, Explanation, PeerSide, RuleRef};
use enforcer_policy::intern::Name;
use enforcer_policy::model::PodKey;
use jiff::Timestamp;

pub use enforcer_flows::record::direction_name as name_of;

use super::who::who;

/// The record of an event that was seen at the link of `endpoint`, in the words of the cluster as
/// it is now, without a number yet. `None` for numbers that no program of this version sends.
pub fn enrich(
    event: &Event,
    endpoint: Option<&PodKey>,
    compiler: &Compiler,
    explainer: &mut Explainer,
    node: Option<&Name>,
) -> Option<Record> {
    let (source, destination) = addresses(event);
    let reason = Reason::from_number(event.reason)?;
    let direction = Direction::from_number(event.direction)?;
    let hook = Direction::from_number(event.hook)?;
    let kind = kind_of(EventKind::from_number(event.kind)?);
    // Seen where no sender is known: on its way into the link of somebody else, or out of the node.
    let endpoint = endpoint.filter(|_| reason != Reason::Undecided);
    let explained = match reason {
        Reason::PolicyDenied | Reason::Revoked | Reason::Allowed => {
            endpoint.and_then(|pod| explain_event(event, direction, pod, compiler, explainer))
        }
        _ => None,
    };
    let protocol = Protocol::of(event.ethertype, event.protocol);
    let mut record = Record {
        sequence: 0,
        time: Timestamp::UNIX_EPOCH,
        kind,
        reason,
        direction,
        hook,
        protocol,
        icmp: None,
        flags: None,
        source: party(source, event.source_port, protocol, compiler),
        destination: party(destination, event.destination_port, protocol, compiler),
        count: 1,
        length: 0,
        total: None,
        context: Arc::new(context(kind, endpoint, node, explained.unwrap_or_default())),
    };
    stamp(&mut record, event, Timestamp::now());
    Some(record)
}

/// Puts in what events differ in that are alike otherwise.
pub(super) fn stamp(record: &mut Record, event: &Event, time: Timestamp) {
    record.time = time;
    record.length = event.length;
    if record.protocol.has_ports() {
        record.source.port = Some(event.source_port);
        record.destination.port = Some(event.destination_port);
    } else if record.protocol.is_icmp() {
        record.icmp = Some(icmp(event));
    }
}

/// What the programs have in the place of ports: type and code, but for echoes an identifier and this
/// (`enforcer_common::parse::echo_ports`). Of what both could mean, an echo is nearly all that is sent.
const ECHO: u16 = 8;

fn icmp(event: &Event) -> Icmp {
    let [request, reply] = if event.protocol == number::ICMPV6 {
        [128, 129]
    } else {
        [8, 0]
    };
    // Types and codes are bytes.
    let byte = |port: u16| u8::try_from(port).unwrap_or(u8::MAX);
    let (kind, code) = match (event.source_port, event.destination_port) {
        (_, ECHO) => (request, 0),
        (ECHO, _) => (reply, 0),
        (kind, code) => (byte(kind), byte(code)),
    };
    Icmp { kind, code }
}

const fn kind_of(kind: EventKind) -> Kind {
    match kind {
        EventKind::Allowed => Kind::Opened,
        EventKind::Denied => Kind::Denied,
        EventKind::Audit => Kind::Audited,
    }
}

fn context(
    kind: Kind,
    endpoint: Option<&PodKey>,
    node: Option<&Name>,
    explained: Explanation,
) -> Context {
    let allowed = kind == Kind::Opened;
    let nearest = explained.nearest.filter(|_| !allowed);
    Context {
        node: node.cloned(),
        endpoint: endpoint.cloned(),
        policies: explained.isolating,
        allowed_by: explained.allowed_by.filter(|_| allowed).map(rule_name),
        nearest: nearest.map(|nearest| Nearest {
            lacks: nearest
                .lacks
                .iter()
                .map(|lack| lack.to_string().into())
                .collect(),
            rule: rule_name(nearest.rule),
        }),
    }
}

fn rule_name(rule: RuleRef) -> RuleName {
    RuleName {
        rule: rule.place().into(),
        policy: rule.policy,
    }
}

/// Source and destination of the packet of an event.
pub fn addresses(event: &Event) -> (Option<IpAddr>, Option<IpAddr>) {
    match event.ethertype {
        number::IPV4 => (
            Some(to_ip([event.source[0]])),
            Some(to_ip([event.destination[0]])),
        ),
        number::IPV6 => (Some(to_ip(event.source)), Some(to_ip(event.destination))),
        _ => (None, None),
    }
}

/// The policies of the endpoint about this connection, which the packet may belong to as a reply:
/// then its ports are those of the packet the other way.
fn explain_event(
    event: &Event,
    direction: Direction,
    pod: &PodKey,
    compiler: &Compiler,
    explainer: &mut Explainer,
) -> Option<Explanation> {
    let hook = Direction::from_number(event.hook)?;
    let (source, destination) = addresses(event);
    let address = if hook == Direction::Ingress {
        source?
    } else {
        destination?
    };
    let port = if hook == direction {
        event.destination_port
    } else {
        event.source_port
    };
    let peer = PeerSide {
        identity: compiler.owner(address),
        address: Some(address),
    };
    Some(explainer.explain(compiler, pod, direction, &peer, event.protocol, port))
}

fn party(address: Option<IpAddr>, port: u16, protocol: Protocol, compiler: &Compiler) -> Party {
    let port = protocol.has_ports().then_some(port);
    let who = address.map(|address| who(address, port, protocol, compiler));
    Party {
        address,
        port,
        identity: address.map(|address| compiler.tables().peer(address).identity),
        who: who.filter(|who| !who.is_nobody()).map(Arc::new),
    }
}

#[cfg(test)]
mod tests;
