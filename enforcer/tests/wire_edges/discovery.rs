//! ARP, neighbour discovery, multicast listener discovery.

use std::net::{Ipv4Addr, Ipv6Addr};

use enforcer::datapath::frame::{self, Ipv6};
use enforcer_common::Reason;
use enforcer_common::Reason::{FragmentEvasive, Malformed, Neighbour, PolicyDenied, Spoofed};
use enforcer_common::parse::number::{ARP, IPV6};

use crate::case::{Case, Ends, case};
use crate::ipv6::behind;
use crate::stage::Stage;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

const ON_LINK: &str = "Without it nobody on the link finds anybody, and no router passes it on.";
const OWN_ONLY: &str = "A pod speaks for its own addresses only: others' packets would go to it.";
const NO_ROUTER: &str = "A pod is no router: others' packets would go through it (CVE-2020-10749).";
const ROUTED: &str = "A router would pass it on, so it is a message like any other: it could carry anything anywhere.";
const DEFERRED: &str = "Neighbours are asked directly too (RFC 4861 §7.3.3). It passes deferred: behind a router it is a message like any other.";
const NOT_BELIEVED: &str = "Without a hop limit of 255 nobody believes it (RFC 4861 §6.1, §7.1), so it is a message like any other.";

fn arp(operation: u16, sender: impl Fn(&Ends) -> Ipv4Addr + 'static) -> impl Fn(&Ends) -> Vec<u8> {
    move |ends| {
        let packet = frame::arp(operation, sender(ends), ends.to.v4);
        ends.ethernet(ARP, &[&packet[..], &ends.mark].concat())
    }
}

/// A message about `target` with the mark behind it, as an option that nobody knows.
struct Message {
    kind: u8,
    hops: u8,
    source: fn(&Ends) -> Ipv6Addr,
    to: fn(&Ends) -> Ipv6Addr,
    target: fn(&Ends) -> Ipv6Addr,
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const REPORTS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

const PLAIN: Message = Message {
    kind: SOLICITATION,
    hops: 255,
    source: |ends| ends.from.v6,
    to: |_| ALL_NODES,
    target: |ends| ends.from.v6,
};

impl Message {
    fn bytes(&self, ends: &Ends) -> Vec<u8> {
        let option = [14, 2, 0, 0, 0, 0, 0, 0];
        let body = [&(self.target)(ends).octets()[..], &option, &ends.mark].concat();
        frame::icmp(self.kind, 0, 0, &body)
    }

    fn frame(&self, ends: &Ends, next: u8, payload: &[u8]) -> Vec<u8> {
        let header = Ipv6 {
            hops: self.hops,
            ..Ipv6::new((self.source)(ends), (self.to)(ends), next)
        };
        ends.ethernet(IPV6, &header.packet(payload))
    }

    fn case(self, name: &'static str, reason: Reason, why: &'static str) -> Case {
        case(name, reason, why, move |ends| {
            self.frame(ends, 58, &self.bytes(ends))
        })
    }

    /// Behind an extension header.
    fn behind(
        self,
        name: &'static str,
        reason: Reason,
        why: &'static str,
        header: (u8, &'static [u8]),
    ) -> Case {
        case(name, reason, why, move |ends| {
            let (next, payload) = behind(&[header], 58, &self.bytes(ends));
            self.frame(ends, next, &payload)
        })
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = arps();
    cases.extend(neighbours());
    cases.extend(foreign_neighbours());
    cases.extend(distant_neighbours());
    cases.extend(hidden());
    cases.extend(listeners());
    cases
}

fn arps() -> Vec<Case> {
    vec![
        case(
            "ARP request from the pod's own address",
            Neighbour,
            ON_LINK,
            arp(1, |ends| ends.from.v4),
        ),
        case(
            "ARP reply from the pod's own address",
            Neighbour,
            ON_LINK,
            arp(2, |ends| ends.from.v4),
        ),
        case(
            "ARP probe from 0.0.0.0",
            Neighbour,
            "An address is probed before it is used (RFC 5227 §2.1).",
            arp(1, |_| Ipv4Addr::UNSPECIFIED),
        ),
        case(
            "ARP reply for another pod's address",
            Spoofed,
            OWN_ONLY,
            arp(2, |ends| ends.other.v4),
        )
        .always(),
        case(
            "ARP request from another pod's address",
            Spoofed,
            OWN_ONLY,
            arp(1, |ends| ends.other.v4),
        )
        .always(),
        case(
            "ARP for another hardware than Ethernet",
            Malformed,
            "Where the sender's address is cannot be told.",
            |ends| {
                let mut packet = frame::arp(2, ends.from.v4, ends.to.v4);
                packet[1] = 6;
                ends.ethernet(ARP, &[&packet[..], &ends.mark].concat())
            },
        )
        .always(),
        case(
            "ARP cut off",
            Malformed,
            "Where the sender's address is cannot be told.",
            |ends| ends.ethernet(ARP, &frame::arp(2, ends.from.v4, ends.to.v4)[..16]),
        )
        .always(),
    ]
}

fn neighbours() -> Vec<Case> {
    vec![
        PLAIN.case("neighbour solicitation", Neighbour, ON_LINK),
        Message {
            to: |ends| ends.to.v6,
            ..PLAIN
        }
        .case("neighbour solicitation to a neighbour", Neighbour, ON_LINK),
        Message {
            source: |_| Ipv6Addr::UNSPECIFIED,
            ..PLAIN
        }
        .case(
            "neighbour solicitation from ::",
            Neighbour,
            "An address is probed before it is used (RFC 4862 §5.4.2).",
        ),
        Message {
            kind: ROUTER_SOLICITATION,
            ..PLAIN
        }
        .case("router solicitation", Neighbour, ON_LINK),
        Message {
            kind: ADVERTISEMENT,
            ..PLAIN
        }
        .case(
            "neighbour advertisement of the pod's own address",
            Neighbour,
            ON_LINK,
        ),
    ]
}

fn foreign_neighbours() -> Vec<Case> {
    vec![
        Message {
            kind: ADVERTISEMENT,
            target: |ends| ends.other.v6,
            ..PLAIN
        }
        .case(
            "neighbour advertisement of another pod's address",
            Spoofed,
            OWN_ONLY,
        )
        .always(),
        Message {
            kind: ADVERTISEMENT,
            to: |ends| ends.to.v6,
            target: |ends| ends.other.v6,
            ..PLAIN
        }
        .case(
            "neighbour advertisement of another pod's address to a neighbour",
            Spoofed,
            OWN_ONLY,
        )
        .always(),
        Message {
            source: |ends| ends.other.v6,
            ..PLAIN
        }
        .case(
            "neighbour solicitation from another pod's address",
            Spoofed,
            OWN_ONLY,
        )
        .always(),
        Message {
            kind: ROUTER_ADVERTISEMENT,
            source: |_| "fe80::7".parse().unwrap(),
            ..PLAIN
        }
        .case("router advertisement", Spoofed, NO_ROUTER)
        .always(),
        Message {
            kind: REDIRECT,
            source: |_| "fe80::7".parse().unwrap(),
            ..PLAIN
        }
        .case("ICMPv6 redirect", Spoofed, NO_ROUTER)
        .always(),
    ]
}

fn distant_neighbours() -> Vec<Case> {
    vec![
        Message { hops: 64, ..PLAIN }.case(
            "neighbour solicitation with a hop limit of 64",
            PolicyDenied,
            NOT_BELIEVED,
        ),
        Message {
            hops: 254,
            kind: ROUTER_ADVERTISEMENT,
            ..PLAIN
        }
        .case(
            "router advertisement with a hop limit of 254",
            PolicyDenied,
            NOT_BELIEVED,
        ),
        Message {
            to: |_| FAR,
            ..PLAIN
        }
        .case(
            "neighbour solicitation to an address beyond the link",
            Neighbour,
            DEFERRED,
        ),
        Message {
            to: |_| "ff0e::9".parse().unwrap(),
            ..PLAIN
        }
        .case(
            "neighbour solicitation to a group beyond the link",
            Neighbour,
            DEFERRED,
        ),
    ]
}

fn hidden() -> Vec<Case> {
    const HIDES: &str = "Receivers walk extension headers too.";
    const IN_PARTS: &str = "Nobody sends or believes it in fragments (RFC 6980), where what is checked here could be in another one.";
    const PADDING: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
    let foreign = || Message {
        kind: ADVERTISEMENT,
        target: |ends| ends.other.v6,
        ..PLAIN
    };
    vec![
        foreign()
            .behind(
                "advertisement of another's address behind hop-by-hop options",
                Spoofed,
                HIDES,
                (0, PADDING),
            )
            .always(),
        foreign()
            .behind(
                "advertisement of another's address behind destination options",
                Spoofed,
                HIDES,
                (60, PADDING),
            )
            .always(),
        foreign()
            .behind(
                "advertisement of another's address in an atomic fragment",
                Spoofed,
                HIDES,
                (44, &[0, 0, 0, 0, 0, 0, 9]),
            )
            .always(),
        foreign()
            .behind(
                "first fragment of an advertisement of another's address",
                FragmentEvasive,
                IN_PARTS,
                (44, &[0, 0, 1, 0, 0, 0, 9]),
            )
            .always(),
        case(
            "advertisement whose target is in the padding",
            Malformed,
            "Padding is no part of the packet.",
            |ends| {
                let message = frame::icmp(ADVERTISEMENT, 0, 0, &[]);
                let mut frame = Message {
                    kind: ADVERTISEMENT,
                    ..PLAIN
                }
                .frame(ends, 58, &message);
                frame.extend(ends.from.v6.octets());
                frame
            },
        )
        .always(),
    ]
}

fn listeners() -> Vec<Case> {
    const ROUTER_ALERT: (u8, &[u8]) = (0, &[0, 5, 2, 0, 0, 1, 0]);
    const GROUPS: &str = "Switches need it to find neighbours' groups; no router passes on a hop limit of 1 (RFC 3810 §5).";
    const REPORT: Message = Message {
        kind: 143,
        hops: 1,
        source: |_| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7),
        to: |_| REPORTS,
        ..PLAIN
    };
    vec![
        REPORT.behind("multicast listener report", Neighbour, GROUPS, ROUTER_ALERT),
        Message {
            source: |_| Ipv6Addr::UNSPECIFIED,
            ..REPORT
        }
        .behind(
            "multicast listener report from ::",
            Neighbour,
            "RFC 3590: before the link-local address is known.",
            ROUTER_ALERT,
        ),
        Message {
            kind: 130,
            to: |_| ALL_NODES,
            ..REPORT
        }
        .behind("multicast listener query", Neighbour, GROUPS, ROUTER_ALERT),
        Message { hops: 64, ..REPORT }.behind(
            "multicast listener report with a hop limit of 64",
            PolicyDenied,
            ROUTED,
            ROUTER_ALERT,
        ),
        Message {
            to: |ends| ends.to.v6,
            ..REPORT
        }
        .behind(
            "multicast listener report to a host",
            PolicyDenied,
            ROUTED,
            ROUTER_ALERT,
        ),
    ]
}

#[test]
fn discovery() {
    Stage::new().play(&cases());
}
