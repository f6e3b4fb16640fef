//! Maps after a failed write.

use enforcer::datapath::load::{LoadOptions, load};
use enforcer::datapath::maps::Maps;
use enforcer_common::abi::{Peer, Verdict, VerdictKey};
use enforcer_policy::tables::Tables;

fn tables(numbers: &[u32]) -> Tables {
    let mut tables = Tables::default();
    for number in numbers {
        let (v4, v6) = (format!("10.0.0.{number}"), format!("fd00::{number}"));
        let peer = Peer {
            identity: *number,
            node: 0,
            flags: 0,
        };
        for address in [&v4, &v6] {
            tables.addresses.insert(address.parse().unwrap(), peer);
            tables
                .cidrs
                .insert(address.parse::<std::net::IpAddr>().unwrap().into(), peer);
        }
        let key = VerdictKey {
            set: 1,
            identity: *number,
        };
        tables.verdicts.insert(key, Verdict::ALLOW_ALL);
    }
    tables
}

#[test]
fn restored_maps_hold_what_the_tables_hold_and_nothing_else() {
    let mut ebpf = load(&LoadOptions::default()).unwrap();
    let mut maps = Maps::take(&mut ebpf).unwrap();
    maps.fill(&tables(&[1, 2, 3])).unwrap();
    assert_eq!(maps.read().unwrap(), tables(&[1, 2, 3]));
    maps.restore(&tables(&[2, 4])).unwrap();
    assert_eq!(maps.read().unwrap(), tables(&[2, 4]));
}
