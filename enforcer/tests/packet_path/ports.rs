//! What a policy set says about an identity and a port.

use enforcer::datapath::memory::Memory;
use enforcer_common::Reason;
use enforcer_common::abi::{PortRange, Verdict, VerdictKey};
use enforcer_common::decide::allows;

use crate::link::{FRIEND, Link, POD, SCTP, STRANGER, TCP, UDP, packet, syn};

/// Whether the list, sorted and disjoint, and otherwise this default, allow a port.
fn asked(list: &[(u8, u16, u16, bool)], default_allow: bool, protocol: u8, port: u16) -> bool {
    let mut memory = Memory::default();
    let ranges = list.iter().map(|&(protocol, low, high, allow)| PortRange {
        protocol,
        allow: u8::from(allow),
        low,
        high,
        reserved: 0,
    });
    memory.tables.ports = ranges.collect();
    let key = VerdictKey {
        set: 1,
        identity: 0,
    };
    let verdict = Verdict {
        offset: 0,
        length: u32::try_from(list.len()).unwrap(),
        default_allow: u32::from(default_allow),
    };
    memory.tables.verdicts.insert(key, verdict);
    allows(&memory, &key, protocol, port)
}

#[test]
fn an_interval_reaches_from_its_first_to_its_last_port() {
    let list = [
        (TCP, 0, 0, true),
        (TCP, 80, 90, true),
        (TCP, 65_535, 65_535, true),
    ];
    for (port, expected) in [
        (0, true),
        (1, false),
        (79, false),
        (80, true),
        (90, true),
        (91, false),
        (65_534, false),
        (65_535, true),
    ] {
        assert_eq!(asked(&list, false, TCP, port), expected, "{port}");
    }
}

#[test]
fn protocols_do_not_share_ports() {
    let list = [
        (TCP, 53, 53, true),
        (UDP, 80, 80, true),
        (SCTP, 99, 99, true),
    ];
    for (protocol, port, expected) in [
        (TCP, 53, true),
        (UDP, 53, false),
        (SCTP, 53, false),
        (UDP, 80, true),
        (TCP, 80, false),
        (SCTP, 99, true),
    ] {
        assert_eq!(
            asked(&list, false, protocol, port),
            expected,
            "{protocol} {port}"
        );
    }
}

#[test]
fn what_no_interval_covers_has_the_default() {
    let list = [(TCP, 80, 80, false)];
    assert!(asked(&list, true, TCP, 81));
    assert!(!asked(&list, true, TCP, 80));
    assert!(asked(&list, true, UDP, 80));
}

#[test]
fn protocols_without_ports_have_the_default_whatever_the_list_says() {
    for protocol in [1, 47, 58] {
        assert!(!asked(&[(TCP, 0, 65_535, true)], false, protocol, 80));
        assert!(asked(&[(TCP, 0, 65_535, false)], true, protocol, 80));
    }
}

#[test]
fn every_second_port_of_all_protocols_is_found() {
    let mut list = Vec::new();
    for protocol in [TCP, UDP, SCTP] {
        list.extend(
            (0..=u16::MAX)
                .step_by(2)
                .map(|port| (protocol, port, port, true)),
        );
    }
    for port in [0, 1, 2, 40_000, 40_001, 65_534, 65_535] {
        assert_eq!(asked(&list, false, UDP, port), port % 2 == 0, "{port}");
    }
}

#[test]
fn an_identity_without_verdict_has_everybody_elses_and_a_set_without_any_denies() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets(&syn(STRANGER, POD, (40_000, 80))),
        Reason::PolicyDenied
    );
    let everybody = VerdictKey {
        set: 1,
        identity: 0,
    };
    link.memory
        .tables
        .verdicts
        .insert(everybody, Verdict::ALLOW_ALL);
    assert_eq!(
        link.gets(&syn(STRANGER, POD, (40_001, 80))),
        Reason::Allowed
    );
    assert_eq!(
        link.gets(&syn(FRIEND, POD, (40_001, 81))),
        Reason::PolicyDenied
    );
    link.memory.tables.verdicts.clear();
    assert_eq!(
        link.gets(&syn(FRIEND, POD, (40_002, 80))),
        Reason::PolicyDenied
    );
}

#[test]
fn rules_with_ports_say_nothing_about_protocols_without() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets(&packet(FRIEND, POD, 47, &[0; 8])),
        Reason::PolicyDenied
    );
}
