//! The short way: a packet in the middle of a flow that had one within the last second.
//!
//! It asks what the long way asks of such a packet, and is not taken for anything unusual: options,
//! fragments, extension headers, lengths that do not fit, other protocols than TCP and UDP, flags that
//! open or end a connection, a source that is not the endpoint's own address. So it can only say
//! what the long way says too.

use super::Context;
use super::family::Family;
use super::flows::{established, of};
use crate::abi::{Direction, Endpoint};
use crate::packet::{Packet, halves};
use crate::parse::{NETWORK, number};
use crate::reason::Reason;
use crate::tables::{AddressTables, EndpointView, Tables};

/// A packet's addresses (the pod's first), ports and protocol, as on the wire.
struct Usual<const W: usize> {
    addresses: [u64; W],
    ports: u64,
    protocol: u8,
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
        Some(number::IPV4) => v4(cx).is_some_and(|usual| belongs(cx, &usual)),
        Some(number::IPV6) => v6(cx).is_some_and(|usual| belongs(cx, &usual)),
        _ => false,
    }
}

/// An IPv4 header without options and what follows it, of a whole packet.
#[inline(always)]
fn v4<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Option<Usual<1>> {
    const HEADER: usize = 20;
    const NO_OPTIONS: u8 = 0x45;
    const FRAGMENT: u16 = 0x3fff;
    let packet = cx.packet;
    let [first, second, third, source, _, ports, _] = packet.head_words::<7>(NETWORK)?;
    let [version, ..] = first.to_ne_bytes();
    let [_, protocol, ..] = third.to_ne_bytes();
    if version != NO_OPTIONS || halves(second).1 & FRAGMENT != 0 {
        return None;
    }
    let payload = u64::from(halves(first).1).checked_sub(HEADER as u64)?;
    let spoofed = cx.hook == Direction::Egress && [source] != cx.endpoint.v4();
    if spoofed || !is_usual(packet, NETWORK + HEADER, payload, protocol) {
        return None;
    }
    let [addresses] = packet.head_longs(NETWORK + 12)?;
    Some(Usual {
        // The pod's first.
        addresses: match cx.hook {
            Direction::Egress => [addresses],
            Direction::Ingress => [addresses.rotate_left(32)],
        },
        ports: u64::from(ports),
        protocol,
    })
}

/// An IPv6 header and what follows it.
#[inline(always)]
fn v6<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Option<Usual<4>> {
    const HEADER: usize = 40;
    let packet = cx.packet;
    let [ports, _] = packet.head_words(NETWORK + HEADER)?;
    let [first, second] = packet.head_words(NETWORK)?;
    let [version, ..] = first.to_ne_bytes();
    let [_, _, protocol, _] = second.to_ne_bytes();
    let payload = u64::from(halves(second).0);
    if version >> 4 != 6 || !is_usual(packet, NETWORK + HEADER, payload, protocol) {
        return None;
    }
    let [s0, s1, d0, d1] = packet.head_longs(NETWORK + 8)?;
    let addresses = match cx.hook {
        Direction::Egress => {
            let [own0, own1] = cx.endpoint.v6_longs();
            if s0 != own0 || s1 != own1 {
                return None;
            }
            [s0, s1, d0, d1]
        }
        Direction::Ingress => [d0, d1, s0, s1],
    };
    Some(Usual {
        addresses,
        ports: u64::from(ports),
        protocol,
    })
}

/// Whether a transport header is there, of the middle of a connection.
#[inline(always)]
fn is_usual(packet: &impl Packet, transport: usize, payload: u64, protocol: u8) -> bool {
    const FLAGS: u32 = 0x17;
    const ACK: u32 = 0x10;
    if transport as u64 + payload > u64::from(packet.length()) {
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

/// Whether the flow that such a packet would belong to is there, as it must be. What is never tracked,
/// such as what a pod sends to itself, finds none.
#[inline(always)]
fn belongs<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    usual: &Usual<W>,
) -> bool {
    let Usual {
        addresses,
        ports,
        protocol,
    } = *usual;
    let ports = match cx.hook {
        Direction::Egress => ports,
        Direction::Ingress => {
            let from = cx.packet.ingress_ifindex();
            if from == 0 || from == cx.packet.ifindex() {
                return false;
            }
            (ports << 16 | ports >> 16) & 0xffff_ffff
        }
    };
    let id = cx.endpoint.id();
    let flow = AddressTables::<W>::recall(cx.tables, addresses, ports, protocol, id);
    let Some(flow) = flow else { return false };
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
