//! The short way: a packet in the middle of a flow that had one within the last second.
//!
//! It asks what the long way asks of such a packet, and is not taken for anything unusual: options,
//! fragments, extension headers, lengths that do not fit, other protocols than TCP and UDP, flags that
//! open or end a connection, a source that is not the endpoint's own address. So it can only say
//! what the long way says too.

use super::Context;
use super::family::Family;
use super::flows::{established, of};
use crate::abi::{Direction, Endpoint, FlowKey};
use crate::packet::{Packet, halves};
use crate::parse::{NETWORK, number, swap};
use crate::reason::Reason;
use crate::tables::{AddressTables, EndpointView, Tables};

/// A packet's addresses, protocol and ports, as on the wire.
struct Usual<const W: usize> {
    source: [u32; W],
    destination: [u32; W],
    protocol: u8,
    ports: u32,
}

/// Whether an endpoint that nothing isolates, and whose source is checked, sends IP from its own address.
/// False says nothing. Of IPv6 only what cannot be neighbour discovery.
#[inline(always)]
pub(super) fn passes<P: Packet, T: Tables>(cx: Context<'_, P, T>, flags: u32) -> bool {
    if flags & (Endpoint::ISOLATED | Endpoint::DENY_ALL) != 0 {
        return false;
    }
    match cx.packet.head_u16(12) {
        Some(number::IPV4) => cx
            .packet
            .head_words::<1>(NETWORK + 12)
            .is_some_and(|source| source.is_address_of(cx.endpoint)),
        Some(number::IPV6) => {
            cx.packet
                .head_words::<5>(NETWORK + 4)
                .is_some_and(|[second, s0, s1, s2, s3]| {
                    let [_, _, protocol, _] = second.to_ne_bytes();
                    matches!(protocol, number::TCP | number::UDP)
                        && [s0, s1, s2, s3].is_address_of(cx.endpoint)
                })
        }
        _ => false,
    }
}

/// Whether the packet is one of an established flow. False says nothing.
#[inline(always)]
pub(super) fn is_established<P: Packet, T: Tables>(cx: Context<'_, P, T>, flags: u32) -> bool {
    if flags & Endpoint::DENY_ALL != 0 || cx.packet.vlan_tagged() {
        return false;
    }
    match cx.packet.head_u16(12) {
        Some(number::IPV4) => v4(cx.packet).is_some_and(|usual| belongs(cx, &usual)),
        Some(number::IPV6) => v6(cx.packet).is_some_and(|usual| belongs(cx, &usual)),
        _ => false,
    }
}

/// An IPv4 header without options and what follows it, of a whole packet.
#[inline(always)]
fn v4(packet: &impl Packet) -> Option<Usual<1>> {
    const HEADER: usize = 20;
    const NO_OPTIONS: u8 = 0x45;
    const FRAGMENT: u16 = 0x3fff;
    let [first, second, third, source, destination, ports, _] = packet.head_words::<7>(NETWORK)?;
    let [version, ..] = first.to_ne_bytes();
    let [_, protocol, ..] = third.to_ne_bytes();
    if version != NO_OPTIONS || halves(second).1 & FRAGMENT != 0 {
        return None;
    }
    let payload = u32::from(halves(first).1).checked_sub(HEADER as u32)?;
    is_usual(packet, NETWORK + HEADER, payload, protocol).then_some(Usual {
        source: [source],
        destination: [destination],
        protocol,
        ports: u32::from_be(ports),
    })
}

/// An IPv6 header and what follows it.
#[inline(always)]
fn v6(packet: &impl Packet) -> Option<Usual<4>> {
    const HEADER: usize = 40;
    let [first, second, s0, s1, s2, s3, d0, d1, d2, d3, ports, _] =
        packet.head_words::<12>(NETWORK)?;
    let [version, ..] = first.to_ne_bytes();
    let [_, _, protocol, _] = second.to_ne_bytes();
    if version >> 4 != 6 {
        return None;
    }
    let payload = u32::from(halves(second).0);
    is_usual(packet, NETWORK + HEADER, payload, protocol).then_some(Usual {
        source: [s0, s1, s2, s3],
        destination: [d0, d1, d2, d3],
        protocol,
        ports: u32::from_be(ports),
    })
}

/// Whether a transport header is there, of the middle of a connection.
#[inline(always)]
fn is_usual(packet: &impl Packet, transport: usize, payload: u32, protocol: u8) -> bool {
    const FLAGS: u32 = 0x17;
    const ACK: u32 = 0x10;
    if transport as u32 + payload > packet.length() {
        return false;
    }
    match protocol {
        number::UDP => payload >= 8,
        number::TCP if payload >= 20 => packet
            .head_words::<1>(transport + 12)
            .is_some_and(|[word]| u32::from_be(word) >> 16 & FLAGS == ACK),
        _ => false,
    }
}

/// Whether the flow that such a packet would belong to is there, as it must be.
#[inline(always)]
fn belongs<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    usual: &Usual<W>,
) -> bool
where
    [u32; W]: Family,
{
    let protocol = u32::from(usual.protocol);
    let key = match cx.hook {
        Direction::Egress => {
            if !usual.source.is_address_of(cx.endpoint) || usual.destination.is(&usual.source) {
                return false;
            }
            FlowKey {
                pod: usual.source,
                peer: usual.destination,
                ports: usual.ports,
                protocol,
            }
        }
        Direction::Ingress => {
            let from = cx.packet.ingress_ifindex();
            if from == 0 || from == cx.packet.ifindex() {
                return false;
            }
            FlowKey {
                pod: usual.destination,
                peer: usual.source,
                ports: swap(usual.ports),
                protocol,
            }
        }
    };
    let Some(flow) = AddressTables::<W>::recall(cx.tables, &key, cx.endpoint.id()) else {
        return false;
    };
    let revisions = [
        cx.endpoint.revision(Direction::Ingress),
        cx.endpoint.revision(Direction::Egress),
    ];
    let age = cx.tables.now().wrapping_sub(flow.last_seen);
    if flow.revision != of(revisions, flow.direction()) || age > cx.tables.ticks_per_second() {
        return false;
    }
    established(cx, flow).reason == Reason::Established
}
