//! Destinations that are no host's.

use std::net::IpAddr;

use enforcer_common::Reason::{Allowed, PolicyDenied};

use crate::case::{Case, DNS, case};
use crate::stage::Stage;

const NO_BLOCK: &str = "Only an ipBlock can allow it. Towards a pod the sender and the port are judged, whatever group or broadcast it came by.";

fn to(name: &'static str, why: &'static str, destination: &'static str) -> Case {
    case(name, PolicyDenied, why, move |ends| {
        let destination: IpAddr = destination.parse().unwrap();
        let source = if destination.is_ipv4() {
            ends.from.v4.into()
        } else {
            ends.from.v6.into()
        };
        ends.between(source, destination, 17, &ends.udp(DNS))
    })
    .received(Allowed)
}

pub(crate) fn cases() -> Vec<Case> {
    const LOOPBACK: &str = "No address of the node that a pod may reach (RFC 1122 §3.2.1.3, CVE-2020-8558); only an ipBlock can allow it.";
    vec![
        to("limited broadcast", NO_BLOCK, "255.255.255.255"),
        to("directed broadcast", NO_BLOCK, "10.244.0.255"),
        to("all hosts (224.0.0.1)", NO_BLOCK, "224.0.0.1"),
        to("mDNS group (224.0.0.251)", NO_BLOCK, "224.0.0.251"),
        to("mDNS group (ff02::fb)", NO_BLOCK, "ff02::fb"),
        to("all nodes (ff02::1)", NO_BLOCK, "ff02::1"),
        to("destination 240.0.0.1 (class E)", NO_BLOCK, "240.0.0.1"),
        to("destination 0.0.0.0", NO_BLOCK, "0.0.0.0"),
        to("destination 127.0.0.1", LOOPBACK, "127.0.0.1"),
        to("destination ::1", LOOPBACK, "::1"),
        to("destination ::", NO_BLOCK, "::"),
        to(
            "IPv4-mapped destination",
            "An IPv6 address like any other on the wire; Linux drops it.",
            "::ffff:10.244.0.3",
        ),
    ]
}

#[test]
fn destinations() {
    Stage::new().play(&cases());
}
