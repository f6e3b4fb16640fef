//! From numbers to names.

use std::net::IpAddr;

use enforcer_common::Reason;
use enforcer_common::abi::address::to_ip;
use enforcer_common::abi::{Direction, Event, EventKind};
use enforcer_common::parse::number;
use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::{PeerIdentity, PeerSide};
use enforcer_policy::model::{PodKey, ServiceKey};
use enforcer_policy::rule::Protocol;

use super::record::{Party, Record, Verdict};
use super::words::{Explained, Words};

/// The record of an event that was seen at the link of `endpoint`, in the words of the cluster as
/// it is now. `None` for numbers that no program of this version sends.
pub fn enrich(
    event: &Event,
    endpoint: Option<&PodKey>,
    compiler: &Compiler,
    words: &mut Words,
) -> Option<Record> {
    let (source, destination) = addresses(event);
    let reason = Reason::from_number(event.reason)?;
    let direction = Direction::from_number(event.direction)?;
    // Seen where no sender is known: on its way into the link of somebody else, or out of the node.
    let endpoint = endpoint.filter(|_| reason != Reason::Undecided);
    let explained = match reason {
        Reason::PolicyDenied | Reason::Revoked | Reason::Allowed => {
            endpoint.and_then(|pod| explain_event(event, direction, pod, compiler, words))
        }
        _ => None,
    };
    let rule = |e: &Explained| e.explanation.allowed_by.as_ref().map(ToString::to_string);
    let nearest = |e: &Explained| e.explanation.nearest.as_ref().map(ToString::to_string);
    let denied = event.kind != EventKind::Allowed as u8;
    Some(Record {
        time: jiff::Timestamp::now().to_string(),
        verdict: match EventKind::from_number(event.kind)? {
            EventKind::Allowed => Verdict::Allowed,
            EventKind::Denied => Verdict::Denied,
            EventKind::Audit => Verdict::Audit,
        },
        reason: reason.name().to_owned(),
        direction: name_of(direction).to_owned(),
        endpoint: endpoint.map(ToString::to_string),
        source: party(source, event.source_port, event.protocol, compiler),
        destination: party(
            destination,
            event.destination_port,
            event.protocol,
            compiler,
        ),
        protocol: protocol_name(event.ethertype, event.protocol),
        allowed_by: explained.as_ref().filter(|_| !denied).and_then(rule),
        hint: explained.as_ref().filter(|_| denied).and_then(nearest),
        policies: explained.map(|e| e.policies).unwrap_or_default(),
        length: event.length,
    })
}

/// The name of a direction in records.
pub const fn name_of(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
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
    words: &mut Words,
) -> Option<Explained> {
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
    Some(words.explain(compiler, pod, direction, &peer, event.protocol, port))
}

fn party(address: Option<IpAddr>, port: u16, protocol: u8, compiler: &Compiler) -> Party {
    let (pod, node) = match address.map(|address| compiler.owner(address)) {
        Some(PeerIdentity::Pod(key)) => (Some(key.to_string()), None),
        Some(PeerIdentity::Node(name)) => (None, Some(name)),
        Some(PeerIdentity::Outside) | None => (None, None),
    };
    let port = matches!(protocol, number::TCP | number::UDP | number::SCTP).then_some(port);
    Party {
        address,
        port,
        pod,
        node,
        service: address.and_then(|address| service(address, port, protocol, compiler)),
    }
}

/// The service with the address: where several have it, the first that has the port.
fn service(
    address: IpAddr,
    port: Option<u16>,
    protocol: u8,
    compiler: &Compiler,
) -> Option<String> {
    let services = &compiler.cluster().services;
    let has_port = |key: &&ServiceKey| {
        let ports = services.get(*key).into_iter().flat_map(|one| &one.ports);
        ports
            .into_iter()
            .any(|one| one.protocol.number() == protocol && Some(one.port) == port)
    };
    let named = compiler.services(address).find(has_port);
    let named = named.or_else(|| compiler.services(address).next());
    named.map(ToString::to_string)
}

/// The name or number of a protocol; the ethertype for frames other than IP.
pub(crate) fn protocol_name(ethertype: u16, protocol: u8) -> String {
    if let Some(known) = Protocol::ALL
        .into_iter()
        .find(|known| known.number() == protocol)
    {
        return known.name().to_owned();
    }
    match (ethertype, protocol) {
        (number::ARP, _) => "ARP".to_owned(),
        (number::IPV4, number::ICMP) => "ICMP".to_owned(),
        (number::IPV6, number::ICMPV6) => "ICMPv6".to_owned(),
        (number::IPV4 | number::IPV6, protocol) => format!("IP protocol {protocol}"),
        (ethertype, _) => format!("ethertype 0x{ethertype:04x}"),
    }
}

#[cfg(test)]
mod tests;
