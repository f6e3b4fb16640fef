//! Anti-spoofing: what a pod sends must come from its own addresses, in IP, ARP and neighbour
//! discovery.

use super::Context;
use super::family::Family;
use crate::abi::{Direction, Endpoint};
use crate::packet::Packet;
use crate::parse::{Ip, NETWORK, number};
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
/// being true. Only the addresses are read.
#[inline(always)]
pub(super) fn check_unisolated<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Reason {
    let own = match cx.packet.head_u16(12) {
        Some(number::IPV4) => cx
            .packet
            .head_words::<1>(NETWORK + 12)
            .map(|source| source.is_address_of(cx.endpoint)),
        Some(number::IPV6) => cx
            .packet
            .head_words::<4>(NETWORK + 8)
            .map(|source| is_own(cx.endpoint, &source) || may_probe(&source)),
        Some(number::ARP) => {
            let reason = check_arp(cx);
            return if reason == Reason::Neighbour {
                Reason::NotIsolated
            } else {
                reason
            };
        }
        // The kernel may take nested priority tags off and see what was not checked here.
        Some(number::VLAN | number::QINQ) => return Reason::VlanTagged,
        Some(_) => Some(true),
        None => None,
    };
    match own {
        Some(true) => Reason::NotIsolated,
        Some(false) => Reason::Spoofed,
        None => Reason::Malformed,
    }
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
/// own addresses only (RFC 4861 §4.4).
#[inline(always)]
pub(super) fn check_neighbour<const W: usize, P: Packet, T: Tables>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
    ports: u32,
) -> Reason {
    const ROUTER_ADVERTISEMENT: u32 = 134;
    const NEIGHBOUR_ADVERTISEMENT: u32 = 136;
    const REDIRECT: u32 = 137;
    if cx.hook == Direction::Ingress || cx.endpoint.flags() & Endpoint::CHECK_SOURCE == 0 {
        return Reason::Neighbour;
    }
    match ports >> 16 {
        ROUTER_ADVERTISEMENT | REDIRECT => Reason::Spoofed,
        NEIGHBOUR_ADVERTISEMENT => match cx.packet.words_at::<4>(ip.transport + 8) {
            Some(target) if is_own(cx.endpoint, &target) => Reason::Neighbour,
            Some(_) => Reason::Spoofed,
            None => Reason::Malformed,
        },
        _ => Reason::Neighbour,
    }
}
