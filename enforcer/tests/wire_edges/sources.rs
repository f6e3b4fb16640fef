//! Sources that are not the pod's.

use std::net::IpAddr;

use enforcer_common::Reason::{Allowed, PolicyDenied, Spoofed};

use crate::case::{CLOSED, Case, DNS, Ends, case};
use crate::stage::Stage;

const OTHERS: &str =
    "Other pods' policies rest on the source being true, so this holds for every pod.";
const NO_SOURCE: &str = "No host sends from it (RFC 6890), and it is not the pod's.";

/// A datagram from an address that is not the sender's.
fn spoofed(
    name: &'static str,
    why: &'static str,
    source: impl Fn(&Ends) -> IpAddr + 'static,
) -> Case {
    case(name, Spoofed, why, move |ends| {
        let source = source(ends);
        let to = match source {
            IpAddr::V4(_) => ends.to.v4.into(),
            IpAddr::V6(_) => ends.to.v6.into(),
        };
        ends.between(source, to, 17, &ends.udp(DNS))
    })
    .always()
}

fn fixed(name: &'static str, why: &'static str, source: &'static str) -> Case {
    spoofed(name, why, move |_| source.parse().unwrap())
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        spoofed("IPv4 source of another pod", OTHERS, |ends| ends.other.v4.into()),
        spoofed("IPv6 source of another pod", OTHERS, |ends| ends.other.v6.into()),
        spoofed("IPv4 source of the receiver (land)", OTHERS, |ends| ends.to.v4.into()),
        spoofed("IPv6 source of the receiver (land)", OTHERS, |ends| ends.to.v6.into()),
        fixed("IPv4 source from outside", OTHERS, "192.0.2.9"),
        fixed("IPv6 source from outside", OTHERS, "2001:db8::9"),
        fixed("source 127.0.0.1", NO_SOURCE, "127.0.0.1"),
        fixed("source ::1", NO_SOURCE, "::1"),
        fixed("source 0.0.0.0", "RFC 1122 §3.2.1.3: only a host that does not know its address sends from it.", "0.0.0.0"),
        fixed("source ::", "RFC 4291 §2.5.2; only neighbour and listener discovery come from it.", "::"),
        fixed("source 169.254.7.7", NO_SOURCE, "169.254.7.7"),
        fixed("source 224.0.0.1", "A group sends nothing (RFC 1112 §7.2).", "224.0.0.1"),
        fixed("source ff02::1", "A group sends nothing (RFC 4291 §2.7).", "ff02::1"),
        fixed("source 240.0.0.1 (class E)", NO_SOURCE, "240.0.0.1"),
        fixed("source 255.255.255.255", NO_SOURCE, "255.255.255.255"),
        spoofed(
            "IPv4-mapped source of the pod's own address",
            "Such addresses are for programs, not for the wire (RFC 4038 §4.2).",
            |ends| ends.from.v4.to_ipv6_mapped().into(),
        ),
        case(
            "DHCP request from 0.0.0.0",
            Spoofed,
            "A pod's address is given by the CNI plugin before it is an endpoint; a lease is renewed from the address itself (RFC 2131 §4.4.5).",
            |ends| {
                let request = enforcer::datapath::frame::udp((68, 67), &ends.mark);
                ends.between("0.0.0.0".parse().unwrap(), "255.255.255.255".parse().unwrap(), 17, &request)
            },
        )
        .always(),
    ];
    cases.extend(link_local());
    cases
}

fn link_local() -> [Case; 2] {
    const WHY: &str = "Valid on the link (RFC 4291 §2.5.6). Policies are asked; towards a pod they know its sender by its pod addresses only.";
    let from = |ends: &Ends, port| {
        let source: IpAddr = "fe80::7".parse().unwrap();
        ends.between(source, ends.to.v6.into(), 17, &ends.udp(port))
    };
    [
        case(
            "link-local IPv6 source, allowed port",
            Allowed,
            WHY,
            move |ends| from(ends, DNS),
        )
        .received(PolicyDenied),
        case(
            "link-local IPv6 source, other port",
            PolicyDenied,
            WHY,
            move |ends| from(ends, CLOSED),
        ),
    ]
}

#[test]
fn sources() {
    Stage::new().play(&cases());
}
