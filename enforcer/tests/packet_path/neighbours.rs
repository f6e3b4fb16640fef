//! ARP and neighbour discovery pass, but nobody speaks for another.

use enforcer::datapath::frame::{self, Ipv6};
use enforcer_common::Reason;
use enforcer_common::abi::Endpoint;
use enforcer_common::parse::number;

use crate::link::{FRIEND, FRIEND_V6, Link, POD, POD_V6, STRANGER_V6, v4};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

fn arp(sender: &str) -> Vec<u8> {
    frame::ethernet(number::ARP, &frame::arp(2, v4(sender), v4(FRIEND)))
}

/// A neighbour discovery message from `source` about `target`.
fn discovery(source: &str, hops: u8, message: u8, target: &str) -> Vec<u8> {
    let target: std::net::Ipv6Addr = target.parse().unwrap();
    let header = Ipv6 {
        hops,
        ..Ipv6::new(source.parse().unwrap(), "ff02::1".parse().unwrap(), 58)
    };
    let body = frame::icmp(message, 0, 0, &target.octets());
    frame::ethernet(number::IPV6, &header.packet(&body))
}

#[test]
fn a_pod_answers_arp_for_its_own_address_only() {
    for mut link in [Link::isolated(), Link::open()] {
        assert_eq!(
            link.sends(&arp(POD)).action(),
            enforcer_common::Action::Pass
        );
        assert_eq!(link.sends(&arp(FRIEND)), Reason::Spoofed);
    }
}

#[test]
fn an_arp_probe_before_an_address_is_used_passes() {
    assert_eq!(Link::isolated().sends(&arp("0.0.0.0")), Reason::Neighbour);
}

#[test]
fn arp_towards_the_pod_passes() {
    assert_eq!(Link::isolated().gets(&arp(FRIEND)), Reason::Neighbour);
}

#[test]
fn arp_of_another_kind_or_cut_off_is_malformed() {
    let mut link = Link::isolated();
    let whole = arp(POD);
    assert_eq!(link.sends(&whole[..30]), Reason::Malformed);
    let mut other = whole;
    other[14] = 9;
    assert_eq!(link.sends(&other), Reason::Malformed);
}

#[test]
fn a_pod_advertises_its_own_addresses_only() {
    let mut link = Link::isolated();
    for own in [POD_V6, "fe80::1"] {
        let packet = discovery(POD_V6, 255, ADVERTISEMENT, own);
        assert_eq!(link.sends(&packet), Reason::Neighbour, "{own}");
    }
    let packet = discovery(POD_V6, 255, ADVERTISEMENT, STRANGER_V6);
    assert_eq!(link.sends(&packet), Reason::Spoofed);
}

#[test]
fn a_pod_is_no_router() {
    let mut link = Link::isolated();
    for message in [134, 137] {
        let packet = discovery("fe80::1", 255, message, POD_V6);
        assert_eq!(link.sends(&packet), Reason::Spoofed, "{message}");
        assert_eq!(link.gets(&packet), Reason::Neighbour, "{message}");
    }
}

#[test]
fn an_address_is_probed_before_use_from_no_address() {
    let packet = discovery("::", 255, SOLICITATION, POD_V6);
    assert_eq!(Link::isolated().sends(&packet), Reason::Neighbour);
}

#[test]
fn nothing_but_neighbour_discovery_comes_from_no_address() {
    let packet = crate::link::udp("::", FRIEND_V6, (40_000, 53));
    assert_eq!(Link::isolated().sends(&packet), Reason::Spoofed);
}

#[test]
fn what_came_through_a_router_is_no_neighbours() {
    let packet = discovery(FRIEND_V6, 64, SOLICITATION, POD_V6);
    assert_eq!(Link::isolated().gets(&packet), Reason::PolicyDenied);
}

#[test]
fn multicast_listeners_report_with_any_hop_limit() {
    for message in [130, 131, 132, 143] {
        let packet = discovery("fe80::1", 1, message, "::");
        assert_eq!(
            Link::isolated().sends(&packet),
            Reason::Neighbour,
            "{message}"
        );
    }
}

#[test]
fn an_exempted_pod_may_speak_for_others() {
    let mut link = Link::isolated();
    link.pod.flags &= !Endpoint::CHECK_SOURCE;
    assert_eq!(link.sends(&arp(FRIEND)), Reason::Neighbour);
    let packet = discovery(POD_V6, 255, ADVERTISEMENT, STRANGER_V6);
    assert_eq!(link.sends(&packet), Reason::Neighbour);
}
