//! ICMP errors pass when the packet that they quote belongs to a tracked flow.

use super::Context;
use super::family::Family;
use super::flows::has_expired;
use crate::abi::{Direction, Flow, FlowKey};
use crate::packet::{Packet, halves};
use crate::parse::{self, Ip, Kind, number};
use crate::tables::{AddressTables, EndpointView, Tables};

/// Length of the ICMP header before the quoted packet, in both families.
const ICMP_HEADER: u32 = 8;

/// What an error quotes at least of the transport header.
const QUOTED_TRANSPORT: u32 = 8;

/// The quoted packet, as far as errors quote it (RFC 792: the header and 8 bytes).
struct Quoted<const W: usize> {
    source: [u32; W],
    destination: [u32; W],
    protocol: u8,
    transport: u32,
}

/// Whether the error at `ip` is about a flow of the endpoint that is allowed now.
///
/// The pod hears errors about what it sent and sends errors about what it received, to whom it
/// received it from (RFC 1122 §3.2.2): anybody else could be sent anything in one. Later fragments
/// and packets behind other IPv6 extension headers than a fragment's are not looked for: errors
/// that quote those need a rule.
#[inline(always)]
pub(super) fn is_about_a_flow<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
) -> bool
where
    [u32; W]: Family,
{
    flow_of_quote(cx, ip)
        .is_some_and(|flow| flow.revision == cx.endpoint.revision(flow.direction()))
}

#[inline(always)]
fn flow_of_quote<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
) -> Option<Flow>
where
    [u32; W]: Family,
{
    let quoted = quoted::<W>(cx.packet, ip.transport + ICMP_HEADER)?;
    if !ip.destination.is(&quoted.source) || quoted.transport + QUOTED_TRANSPORT > ip.end {
        return None;
    }
    let ports = ports(cx.packet, &quoted)?;
    let protocol = u32::from(quoted.protocol);
    let key = match cx.hook {
        Direction::Ingress => FlowKey {
            pod: quoted.source,
            peer: quoted.destination,
            ports,
            protocol,
        },
        Direction::Egress => FlowKey {
            pod: quoted.destination,
            peer: quoted.source,
            ports: parse::swap(ports),
            protocol,
        },
    };
    if !key.pod.is_address_of(cx.endpoint) {
        return None;
    }
    let flow = AddressTables::<W>::flow(cx.tables, &key, cx.endpoint.id())?;
    let (now, second) = (cx.tables.now(), cx.tables.ticks_per_second());
    if has_expired(&flow, quoted.protocol, now, second) {
        return None;
    }
    Some(flow)
}

/// As in [`crate::parse::Transport::ports`]; none for ICMP messages that are not tracked.
#[inline(always)]
fn ports<const W: usize>(packet: &impl Packet, quoted: &Quoted<W>) -> Option<u32> {
    let [first, second] = packet.words_at::<2>(quoted.transport)?;
    let [message, ..] = first.to_ne_bytes();
    match (W, quoted.protocol) {
        (_, number::TCP | number::UDP | number::SCTP) => Some(u32::from_be(first)),
        (1, number::ICMP) => match parse::icmp_kind(message) {
            Kind::Flow => Some(parse::echo_ports(message, halves(second).0)),
            _ => None,
        },
        (4, number::ICMPV6) => match parse::icmpv6_kind(message, 0, false) {
            Kind::Flow => Some(parse::echo_ports(message, halves(second).0)),
            _ => None,
        },
        _ => Some(0),
    }
}

#[inline(always)]
fn quoted<const W: usize>(packet: &impl Packet, at: u32) -> Option<Quoted<W>> {
    let version = packet.u8_at(at)?;
    let (addresses, protocol, transport) = match (W, version >> 4) {
        (1, 4) => quoted_v4(packet, at, version)?,
        (4, 6) => quoted_v6(packet, at)?,
        _ => return None,
    };
    Some(Quoted {
        source: packet.words_at(at + addresses)?,
        destination: packet.words_at(at + addresses + 4 * W as u32)?,
        protocol,
        transport,
    })
}

/// Where the addresses begin in an IPv4 header, the protocol, and where its header begins.
#[inline(always)]
fn quoted_v4(packet: &impl Packet, at: u32, version: u8) -> Option<(u32, u8, u32)> {
    const OFFSET: u16 = 0x1fff;
    let header = u32::from(version & 0xf) * 4;
    let [fragment, rest] = packet.words_at::<2>(at + 4)?;
    let [_, protocol, ..] = rest.to_ne_bytes();
    if header < 20 || halves(fragment).1 & OFFSET != 0 {
        return None;
    }
    Some((12, protocol, at + header))
}

/// The same for IPv6. Packets too big for a link on the way are often first fragments.
#[inline(always)]
fn quoted_v6(packet: &impl Packet, at: u32) -> Option<(u32, u8, u32)> {
    const FRAGMENT: u8 = 44;
    let protocol = packet.u8_at(at + 6)?;
    if protocol != FRAGMENT {
        return Some((8, protocol, at + 40));
    }
    let [first] = packet.words_at::<1>(at + 40)?;
    let [following, ..] = first.to_ne_bytes();
    if halves(first).1 >> 3 != 0 {
        return None;
    }
    Some((8, following, at + 48))
}
