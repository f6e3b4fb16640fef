//! ARP and neighbour discovery pass, but nobody speaks for another.

use std::net::Ipv6Addr;

use enforcer::datapath::frame::{self, Ipv6};
use enforcer::datapath::judge::{LINK, OTHER_LINK};
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint};
use enforcer_common::packet::{Frame, Packet as _};
use enforcer_common::parse::number;

use crate::link::{FRIEND, FRIEND_V6, Link, POD, POD_V6, STRANGER_V6, v4};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

fn arp(sender: &str) -> Vec<u8> {
    frame::ethernet(number::ARP, &frame::arp(2, v4(sender), v4(FRIEND)))
}

/// A neighbour discovery message from `source` about `target`.
fn discovery(source: &str, hops: u8, message: u8, target: &str) -> Vec<u8> {
    discovery_to("ff02::1", source, hops, message, target)
}

fn discovery_to(to: &str, source: &str, hops: u8, message: u8, target: &str) -> Vec<u8> {
    let target: Ipv6Addr = target.parse().unwrap();
    let body = frame::icmp(message, 0, 0, &target.octets());
    ipv6(source, to, hops, 58, &body)
}

fn ipv6(source: &str, to: &str, hops: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6 {
        hops,
        ..Ipv6::new(source.parse().unwrap(), to.parse().unwrap(), next)
    };
    frame::ethernet(number::IPV6, &header.packet(payload))
}

/// An advertisement of somebody else's address behind an extension header of 8 bytes.
fn advertised_behind(header: u8, content: [u8; 8]) -> Vec<u8> {
    let target: Ipv6Addr = STRANGER_V6.parse().unwrap();
    let message = frame::icmp(ADVERTISEMENT, 0, 0, &target.octets());
    ipv6(
        POD_V6,
        "ff02::1",
        255,
        header,
        &[&content[..], &message].concat(),
    )
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
fn an_open_pod_advertises_its_own_addresses_only_and_is_no_router() {
    let mut link = Link::open();
    let own = discovery(POD_V6, 255, ADVERTISEMENT, POD_V6);
    assert_eq!(link.sends(&own), Reason::NotIsolated);
    for message in [134, ADVERTISEMENT, 137] {
        let packet = discovery(POD_V6, 255, message, STRANGER_V6);
        assert_eq!(link.sends(&packet), Reason::Spoofed, "{message}");
        // Nobody believes this one.
        let packet = discovery(POD_V6, 254, message, STRANGER_V6);
        assert_eq!(link.sends(&packet), Reason::NotIsolated, "{message}");
    }
}

#[test]
fn an_advertisement_does_not_hide_behind_extension_headers() {
    for (header, content) in [
        (0, [58, 0, 1, 4, 0, 0, 0, 0]),
        (60, [58, 0, 1, 4, 0, 0, 0, 0]),
        (43, [58, 0, 0, 0, 0, 0, 0, 0]),
        (44, [58, 0, 0, 0, 0, 0, 0, 7]),
    ] {
        for mut link in [Link::isolated(), Link::open()] {
            let packet = advertised_behind(header, content);
            assert_eq!(link.sends(&packet), Reason::Spoofed, "{header}");
        }
    }
}

#[test]
fn discovery_is_not_fragmented() {
    for mut link in [Link::isolated(), Link::open()] {
        let packet = advertised_behind(44, [58, 0, 0, 1, 0, 0, 0, 7]);
        assert_eq!(link.sends(&packet), Reason::FragmentEvasive);
    }
    let first = [
        &[58, 0, 0, 1, 0, 0, 0, 7][..],
        &frame::icmp(SOLICITATION, 0, 0, &[0; 16]),
    ];
    let packet = ipv6(FRIEND_V6, POD_V6, 255, 44, &first.concat());
    assert_eq!(Link::isolated().gets(&packet), Reason::FragmentEvasive);
}

#[test]
fn a_target_in_the_padding_is_none() {
    let mut packet = ipv6(
        POD_V6,
        "ff02::1",
        255,
        58,
        &frame::icmp(ADVERTISEMENT, 0, 0, &[]),
    );
    let own: Ipv6Addr = POD_V6.parse().unwrap();
    packet.extend(own.octets());
    for mut link in [Link::isolated(), Link::open()] {
        assert_eq!(link.sends(&packet), Reason::Malformed);
    }
}

#[test]
fn discovery_that_a_router_could_pass_on_is_deferred() {
    for (to, deferred) in [
        ("ff02::1:ff00:2", false),
        ("fe80::2", false),
        (FRIEND_V6, true),
        ("ff0e::1", true),
        ("2001:db8::2", true),
    ] {
        let mut link = Link::isolated();
        let packet = discovery_to(to, POD_V6, 255, SOLICITATION, to);
        let frame = Frame {
            bytes: &packet,
            ifindex: LINK,
            ingress_ifindex: LINK,
            ..Frame::default()
        };
        link.memory.links.insert(LINK, link.pod);
        let reason = link.memory.process(&frame, Direction::Egress);
        assert_eq!(
            (reason, frame.deferred()),
            (Reason::Neighbour, deferred),
            "{to}"
        );
        // On the link of a neighbour, and behind a router.
        for (hops, expected) in [(255, Reason::Neighbour), (254, Reason::PolicyDenied)] {
            let packet = discovery_to(to, POD_V6, hops, SOLICITATION, to);
            let frame = Frame {
                bytes: &packet,
                ifindex: OTHER_LINK,
                ingress_ifindex: LINK,
                ..Frame::default()
            };
            frame.defer(LINK);
            assert_eq!(link.memory.leave(&frame), expected, "{to} {hops}");
        }
    }
    // Also there, a pod advertises its own addresses only.
    let packet = discovery_to("2001:db8::2", POD_V6, 255, ADVERTISEMENT, STRANGER_V6);
    assert_eq!(Link::isolated().sends(&packet), Reason::Spoofed);
}

#[test]
fn nothing_but_neighbour_discovery_comes_from_no_address_of_an_open_pod() {
    let mut link = Link::open();
    let probe = discovery("::", 255, SOLICITATION, POD_V6);
    assert_eq!(link.sends(&probe), Reason::NotIsolated);
    let report = [&[58, 0, 5, 2, 0, 0, 1, 0][..], &frame::icmp(143, 0, 0, &[])].concat();
    let report = ipv6("::", "ff02::16", 1, 0, &report);
    assert_eq!(link.sends(&report), Reason::NotIsolated);
    for packet in [
        crate::link::udp("::", FRIEND_V6, (40_000, 53)),
        discovery("::", 64, SOLICITATION, POD_V6),
        ipv6("::", "ff02::1", 255, 58, &frame::icmp(128, 0, 0, &[])),
    ] {
        assert_eq!(link.sends(&packet), Reason::Spoofed);
    }
}

#[test]
fn multicast_listeners_report_to_groups_and_no_router_passes_it_on() {
    for message in [130, 131, 132, 143] {
        for (to, hops, expected) in [
            ("ff02::16", 1, Reason::Neighbour),
            ("ff0e::1", 1, Reason::Neighbour),
            ("ff02::16", 64, Reason::PolicyDenied),
            (FRIEND_V6, 1, Reason::PolicyDenied),
        ] {
            let mut link = Link::isolated();
            let packet = discovery_to(to, "fe80::1", hops, message, "::");
            assert_eq!(link.sends(&packet), expected, "{message} {to} {hops}");
            assert_eq!(link.gets(&packet), expected, "{message} {to} {hops}");
        }
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
