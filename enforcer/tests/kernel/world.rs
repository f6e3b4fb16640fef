//! Random tables and endpoints: few addresses, few ports, so that everything meets everything.

use std::net::IpAddr;

use enforcer_common::abi::address::FIRST_NODE;
use enforcer_common::abi::{Endpoint, Peer, PortRange, Verdict, VerdictKey, address};
use enforcer_policy::tables::{Op, Tables};

use crate::random::Random;

/// The endpoint's own addresses.
pub(crate) const OWN: [&str; 2] = ["10.0.0.1", "fd00::1"];
/// Everybody else's: pods, nodes, outside.
pub(crate) const PEERS: [&str; 10] = [
    "10.0.0.2",
    "10.0.0.3",
    "10.0.1.4",
    "192.168.0.1",
    "192.0.2.9",
    "fd00::2",
    "fd00::3",
    "fd00:1::4",
    "fd01::1",
    "2001:db8::9",
];
/// The addresses of the endpoint's own node among them.
const OWN_NODE: [&str; 2] = ["192.168.0.1", "fd01::1"];
const NETS: [&str; 8] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.1.0/24",
    "192.0.2.9/32",
    "::/0",
    "fd00::/16",
    "fd00:1::/64",
    "2001:db8::9/128",
];
/// Ports that rules and packets use.
pub(crate) const PORTS: [u16; 8] = [0, 53, 80, 81, 443, 32_768, 49_152, 65_535];

const SETS: u32 = 5;
const IDENTITIES: u32 = 5;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Tables in which every look-up is sometimes found and sometimes not.
pub(crate) fn tables(random: &mut Random) -> Tables {
    let mut tables = Tables::default();
    for text in PEERS
        .iter()
        .chain(&OWN)
        .filter(|_| !random.once_in(3))
        .copied()
        .collect::<Vec<_>>()
    {
        let node = if OWN_NODE.contains(&text) {
            random.of(&[0, 1, FIRST_NODE])
        } else {
            random.of(&[0, 0, FIRST_NODE + 1])
        };
        tables.addresses.insert(ip(text), peer(random, node));
    }
    for text in NETS {
        if random.once_in(2) {
            tables.cidrs.insert(text.parse().unwrap(), peer(random, 0));
        }
    }
    for set in 1..SETS {
        for identity in 0..IDENTITIES {
            if !random.once_in(3) {
                let verdict = verdict(random, &mut tables.ports);
                tables
                    .verdicts
                    .insert(VerdictKey { set, identity }, verdict);
            }
        }
    }
    tables
}

fn peer(random: &mut Random, node: u32) -> Peer {
    let identity = random.u32() % IDENTITIES;
    Peer {
        identity,
        node,
        flags: random.of(&[0, 0, Peer::SERVICE]),
    }
}

fn verdict(random: &mut Random, ports: &mut Vec<PortRange>) -> Verdict {
    let offset = u32::try_from(ports.len()).unwrap();
    if !random.once_in(4) {
        for protocol in [6, 17, 132] {
            for pair in PORTS.windows(2) {
                if random.once_in(2) {
                    ports.push(PortRange {
                        protocol,
                        allow: random.of(&[0, 1, 1]),
                        low: pair[0],
                        high: random.of(&[pair[0], pair[1] - 1]),
                        reserved: 0,
                    });
                }
            }
        }
    }
    Verdict {
        offset,
        length: u32::try_from(ports.len()).unwrap() - offset,
        default_allow: random.of(&[0, 0, 1]),
    }
}

/// What empties a kernel's tables of these.
pub(crate) fn removal(tables: &Tables) -> Vec<Op> {
    let verdicts = tables.verdicts.keys().map(|key| Op::DeleteVerdict(*key));
    let addresses = tables.addresses.keys().map(|key| Op::DeleteAddress(*key));
    let cidrs = tables.cidrs.keys().map(|key| Op::DeleteCidr(*key));
    verdicts.chain(addresses).chain(cidrs).collect()
}

/// An endpoint, most often isolated both ways.
pub(crate) fn endpoint(random: &mut Random, id: u32) -> Endpoint {
    let mut flags = 0;
    if !random.once_in(6) {
        flags |= Endpoint::ISOLATED;
    }
    if !random.once_in(4) {
        flags |= Endpoint::CHECK_SOURCE;
    }
    for flag in [Endpoint::AUDIT, Endpoint::PENDING, Endpoint::DENY_ALL] {
        if random.once_in(12) {
            flags |= flag;
        }
    }
    let words = |text| match ip(text) {
        IpAddr::V4(v4) => [address::v4(v4)[0], 0, 0, 0],
        IpAddr::V6(v6) => address::v6(v6),
    };
    let [v4, v6] = OWN.map(words);
    Endpoint {
        id: if random.once_in(40) { 0 } else { id },
        flags,
        revisions: [1, 1],
        sets: [random.u32() % SETS, random.u32() % SETS],
        node: random.of(&[0, FIRST_NODE]),
        v4: [if random.once_in(10) { 0 } else { v4[0] }],
        v6: if random.once_in(10) { [0; 4] } else { v6 },
        ..Endpoint::default()
    }
}

/// What happens to an endpoint now and then between two packets.
pub(crate) fn disturb(random: &mut Random, endpoint: &mut Endpoint) {
    let side = random.below(2);
    match random.below(10) {
        0..=2 => endpoint.revisions[side] += 1,
        3 | 4 => {
            endpoint.sets[side] = random.u32() % SETS;
            endpoint.revisions[side] += 1;
        }
        5 => endpoint.flags ^= random.of(&[Endpoint::AUDIT, Endpoint::PENDING]),
        6 => endpoint.flags ^= Endpoint::DENY_ALL,
        7 => endpoint.flags ^= random.of(&[Endpoint::ISOLATED, Endpoint::CHECK_SOURCE]),
        _ => {}
    }
}
