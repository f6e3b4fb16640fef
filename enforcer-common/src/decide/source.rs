//! Anti-spoofing: what a pod sends must come from its own addresses, in IP, ARP and neighbour
//! discovery.

use super::Context;
use super::family::Family;
use crate::abi::{Direction, Endpoint};
use crate::packet::Packet;
use crate::parse::{self, Ip, Kind, NETWORK, Transport, number};
use crate::reason::Reason;
use crate::tables::{EndpointView, Tables};

/// Whether this is an address of the pod.
#[inline(always)]
pub(super) fn is_own<A: Family>(endpoint: impl EndpointView, source: &A) -> bool {
    source.is_address_of(endpoint) || source.is_link_local()
}

/// Whether neighbour discovery may come from this address although it is not the pod's: an
/// unspecified IPv6 source is how an address is probed before use (RFC 4862 §5.4.2).
#[inline(always)]
pub(super) fn may_probe<const W: usize>(source: &[u32; W]) -> bool
where
    [u32; W]: Family,
{
    W == 4 && source.is_unspecified()
}

/// The check for an endpoint that no policy isolates: other pods' policies rest on its addresses
/// being true. Only the addresses are read, and neighbour discovery, which speaks of more.
#[inline(always)]
pub(super) fn check_unisolated<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Reason {
    let reason = match cx.packet.head_u16(12) {
        Some(number::IPV4) => match cx.packet.head_words::<1>(NETWORK + 12) {
            Some(source) if source.is_address_of(cx.endpoint) => Reason::NotIsolated,
            Some(_) => Reason::Spoofed,
            None => Reason::Malformed,
        },
        Some(number::IPV6) => check_unisolated_v6(cx).unwrap_or(Reason::Malformed),
        Some(number::ARP) => check_arp(cx),
        // The kernel may take nested priority tags off and see what was not checked here.
        Some(number::VLAN | number::QINQ) => Reason::VlanTagged,
        Some(_) => Reason::NotIsolated,
        None => Reason::Malformed,
    };
    match reason {
        Reason::Neighbour => Reason::NotIsolated,
        reason => reason,
    }
}

/// Neighbour discovery is believed with a hop limit of 255 only, and may be behind extension
/// headers.
#[inline(always)]
fn check_unisolated_v6<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Option<Reason> {
    let source = cx.packet.head_words::<4>(NETWORK + 8)?;
    let [next, hops] = cx.packet.head_u16(NETWORK + 6)?.to_be_bytes();
    let own = is_own(cx.endpoint, &source);
    if !own && !may_probe(&source) {
        return Some(Reason::Spoofed);
    }
    let discovers = hops == 255 && (next == number::ICMPV6 || parse::is_extension(next));
    if own && !discovers {
        return Some(Reason::NotIsolated);
    }
    let otherwise = if own {
        Reason::NotIsolated
    } else {
        Reason::Spoofed
    };
    let ip = match parse::ipv6(cx.packet) {
        Ok(ip) => ip,
        Err(reason) => return Some(reason),
    };
    if ip.piece.offset != 0 || ip.protocol != number::ICMPV6 {
        return Some(otherwise);
    }
    let mut transport = Transport::opaque(ip.protocol);
    if let Err(reason) = parse::transport(cx.packet, &ip, &mut transport) {
        return Some(reason);
    }
    Some(match transport.kind {
        Kind::Neighbour => check_neighbour(cx, &ip, transport.ports),
        _ => otherwise,
    })
}

/// ARP (RFC 826): passes, but the pod speaks for its own IPv4 address only. A sender address of 0
/// is a probe (RFC 5227).
#[inline(always)]
pub(super) fn check_arp<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Reason {
    if cx.hook == Direction::Ingress || cx.endpoint.flags() & Endpoint::CHECK_SOURCE == 0 {
        return Reason::Neighbour;
    }
    match arp_sender(cx.packet) {
        None => Reason::Malformed,
        Some(sender) if sender.is_unspecified() || sender.is_address_of(cx.endpoint) => {
            Reason::Neighbour
        }
        Some(_) => Reason::Spoofed,
    }
}

/// The sender's protocol address of an ARP packet for IPv4 over Ethernet.
#[inline(always)]
fn arp_sender(packet: &impl Packet) -> Option<[u32; 1]> {
    const ETHERNET_AND_IPV4: u32 = 0x0001_0800;
    const THEIR_LENGTHS: u16 = 0x0604;
    let [kinds] = packet.head_words(NETWORK)?;
    if u32::from_be(kinds) != ETHERNET_AND_IPV4 || packet.head_u16(NETWORK + 4)? != THEIR_LENGTHS {
        return None;
    }
    packet.head_words(NETWORK + 14)
}

/// Neighbour and multicast listener discovery: pass, but a pod is no router, and it advertises its
/// own addresses only (RFC 4861 §4.4). What its node may route is deferred: behind a router it is a
/// message like any other.
#[inline(always)]
pub(super) fn check_neighbour<const W: usize, P: Packet, T: Tables>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
    ports: u32,
) -> Reason
where
    [u32; W]: Family,
{
    const ROUTER_ADVERTISEMENT: u32 = 134;
    const NEIGHBOUR_ADVERTISEMENT: u32 = 136;
    const REDIRECT: u32 = 137;
    // RFC 6980: nobody sends it in fragments, where what is checked here could be in another one.
    if ip.piece.partial {
        return Reason::FragmentEvasive;
    }
    if cx.hook == Direction::Ingress || cx.sender.is_some() {
        return Reason::Neighbour;
    }
    if cx.endpoint.flags() & Endpoint::CHECK_SOURCE != 0 {
        match ports >> 16 {
            ROUTER_ADVERTISEMENT | REDIRECT => return Reason::Spoofed,
            NEIGHBOUR_ADVERTISEMENT => match target(cx.packet, ip) {
                Some(target) if is_own(cx.endpoint, &target) => {}
                Some(_) => return Reason::Spoofed,
                None => return Reason::Malformed,
            },
            _ => {}
        }
    }
    if !ip.destination.stays_on_link() {
        cx.defer();
    }
    Reason::Neighbour
}

/// The target of a neighbour advertisement.
#[inline(always)]
fn target<const W: usize>(packet: &impl Packet, ip: &Ip<W>) -> Option<[u32; 4]> {
    const AT: u32 = 8;
    const LENGTH: u32 = 16;
    if ip.transport + AT + LENGTH > ip.end {
        return None;
    }
    packet.words_at(ip.transport + AT)
}
