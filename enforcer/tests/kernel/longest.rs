//! The longest port list that there can be.

use enforcer::datapath::frame;
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint, PortRange, Verdict, VerdictKey};
use enforcer_policy::tables::Tables;

use crate::both::Both;
use crate::packets::Packet;
use crate::world::{OWN, PEERS, ip};

/// Every second port of every protocol with ports.
fn tables() -> Tables {
    let mut tables = Tables::default();
    for protocol in [6, 17, 132] {
        tables
            .ports
            .extend((0..=u16::MAX).step_by(2).map(|port| PortRange {
                protocol,
                allow: 1,
                low: port,
                high: port,
                reserved: 0,
            }));
    }
    let key = VerdictKey {
        set: 1,
        identity: 0,
    };
    let verdict = Verdict {
        offset: 0,
        length: u32::try_from(tables.ports.len()).unwrap(),
        default_allow: 0,
    };
    tables.verdicts.insert(key, verdict);
    tables
}

#[test]
fn every_port_of_the_longest_list_is_found() {
    let mut both = Both::new();
    both.set_tables(tables());
    let ports = (0..=u16::MAX)
        .step_by(1021)
        .chain([1, 2, 3, 65_534, 65_535]);
    for (id, port) in (1..).zip(ports) {
        let endpoint = Endpoint {
            id,
            flags: Endpoint::ISOLATED,
            sets: [1, 0],
            ..Endpoint::default()
        };
        for protocol in [6, 17, 132] {
            let packet = Packet {
                hook: Direction::Ingress,
                ingress_ifindex: 2,
                leaving: false,
                segmented: false,
                bytes: frame::opening(ip(PEERS[0]), ip(OWN[0]), protocol, port).unwrap(),
            };
            let expected = match port % 2 {
                0 => Reason::Allowed,
                _ => Reason::PolicyDenied,
            };
            assert_eq!(
                both.judge(&endpoint, &packet),
                Some(expected),
                "{protocol} {port}"
            );
        }
    }
}
