//! The short way: a packet in the middle of a flow that had one within the last second.
//!
//! It asks what the long way asks of such a packet, and is not taken for anything unusual: options,
//! fragments, extension headers, lengths that do not fit, other protocols than TCP and UDP, flags that
//! open or end a connection, a source that is not the endpoint's own address. So it can only say
//! what the long way says too.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use super::Context;
use super::family::Family;
use super::flows::{established, of};
use crate::abi::{Direction, Endpoint};
use crate::packet::Packet;
use crate::parse::{NETWORK, number};
use crate::reason::Reason;
use crate::tables::{AddressTables, EndpointView, Tables};

/// An IPv4 header without options (RFC 791 §3.1), as on the wire.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Ipv4 {
    version: u8,
    service: u8,
    length: u16,
    identification: u16,
    fragment: u16,
    time_to_live: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

/// An IPv6 header (RFC 8200 §3), as on the wire.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Ipv6 {
    version: u8,
    flow_label: [u8; 3],
    payload: u16,
    next: u8,
    hop_limit: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

/// A packet's addresses (the pod's first), ports and protocol, as on the wire.
struct Usual<const W: usize> {
    addresses: [u64; W],
    ports: u64,
    protocol: u8,
}

const ETHERTYPE: usize = 12;
const IPV4: u16 = number::IPV4.to_be();
const IPV6: u16 = number::IPV6.to_be();

/// Where the transport header is, behind a header without options, and the addresses within that.
const BEHIND_V4: usize = NETWORK + size_of::<Ipv4>();
const BEHIND_V6: usize = NETWORK + size_of::<Ipv6>();
const ADDRESSES_V4: usize = NETWORK + offset_of!(Ipv4, source);
const ADDRESSES_V6: usize = NETWORK + offset_of!(Ipv6, source);

/// The shortest transport headers: of UDP, and of TCP without options.
const UDP: usize = 8;
const TCP: usize = 20;

/// Whether an endpoint that nothing isolates, and whose source is checked, sends IP from its own address.
/// False says nothing. Of IPv6 only what cannot be neighbour discovery.
#[inline(always)]
pub(super) fn passes<P: Packet, T: Tables>(cx: Context<'_, P, T>, flags: u32) -> bool {
    if flags & (Endpoint::ISOLATED | Endpoint::DENY_ALL) != 0 {
        return false;
    }
    match cx.packet.head(ETHERTYPE, BEHIND_V4) {
        Some(IPV4) => cx
            .packet
            .head::<Ipv4>(NETWORK, BEHIND_V4)
            .is_some_and(|ip| [ip.source].is_address_of(cx.endpoint)),
        Some(IPV6) => cx
            .packet
            .head::<Ipv6>(NETWORK, BEHIND_V6)
            .is_some_and(|ip| {
                matches!(ip.next, number::TCP | number::UDP) && ip.source.is_address_of(cx.endpoint)
            }),
        _ => false,
    }
}

/// Whether the packet is one of an established flow. False says nothing.
#[inline(always)]
pub(super) fn is_established<P: Packet, T: Tables>(cx: Context<'_, P, T>, flags: u32) -> bool {
    if flags & Endpoint::DENY_ALL != 0 || cx.packet.vlan_tagged() {
        return false;
    }
    // Nothing of either family that has a flow is shorter.
    match cx.packet.head(ETHERTYPE, BEHIND_V4 + UDP) {
        Some(IPV4) => v4(cx).is_some_and(|usual| belongs(cx, &usual)),
        Some(IPV6) => v6(cx).is_some_and(|usual| belongs(cx, &usual)),
        _ => false,
    }
}

/// An IPv4 header without options and what follows it, of a whole packet.
#[inline(always)]
fn v4<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Option<Usual<1>> {
    const NO_OPTIONS: u8 = 0x45;
    const FRAGMENT: u16 = 0x3fff_u16.to_be();
    const REACH: usize = BEHIND_V4 + UDP;
    let packet = cx.packet;
    let ip: Ipv4 = packet.head(NETWORK, REACH)?;
    let whole = ip.version == NO_OPTIONS && ip.fragment & FRAGMENT == 0;
    let spoofed = cx.hook == Direction::Egress && [ip.source] != cx.endpoint.v4();
    let length = u64::from(u16::from_be(ip.length));
    if !whole || spoofed || !is_usual(packet, BEHIND_V4, ip.protocol, NETWORK as u64 + length) {
        return None;
    }
    let addresses: u64 = packet.head(ADDRESSES_V4, REACH)?;
    let ports: u32 = packet.head(BEHIND_V4, REACH)?;
    Some(Usual {
        // The pod's first.
        addresses: match cx.hook {
            Direction::Egress => [addresses],
            Direction::Ingress => [addresses.rotate_left(32)],
        },
        ports: u64::from(ports),
        protocol: ip.protocol,
    })
}

/// An IPv6 header and what follows it.
#[inline(always)]
fn v6<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Option<Usual<4>> {
    const REACH: usize = BEHIND_V6 + UDP;
    let packet = cx.packet;
    let ip: Ipv6 = packet.head(NETWORK, REACH)?;
    let payload = u64::from(u16::from_be(ip.payload));
    if ip.version >> 4 != 6 || !is_usual(packet, BEHIND_V6, ip.next, BEHIND_V6 as u64 + payload) {
        return None;
    }
    let ports: u32 = packet.head(BEHIND_V6, REACH)?;
    let [s0, s1, d0, d1]: [u64; 4] = packet.head(ADDRESSES_V6, REACH)?;
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
        protocol: ip.next,
    })
}

/// Whether a transport header is there, of the middle of a connection, and all of the packet to its `end`.
#[inline(always)]
fn is_usual(packet: &impl Packet, transport: usize, protocol: u8, end: u64) -> bool {
    const FLAGS_AT: usize = 13;
    const FLAGS: u8 = 0x17;
    const ACK: u8 = 0x10;
    if end > u64::from(packet.length()) {
        return false;
    }
    match protocol {
        number::UDP => end >= (transport + UDP) as u64,
        number::TCP => {
            let flags = packet.head::<u8>(transport + FLAGS_AT, transport + TCP);
            end >= (transport + TCP) as u64 && flags.is_some_and(|flags| flags & FLAGS == ACK)
        }
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
