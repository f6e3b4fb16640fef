//! Flows that find no place beside the others.

use enforcer::datapath::adopt::{Key, Seed};
use enforcer::datapath::clock;
use enforcer::datapath::load::{LoadOptions, load};
use enforcer::datapath::maps::Maps;
use enforcer::datapath::seed::{self, Seeds};
use enforcer_common::abi::{Flow, FlowKey};
use enforcer_common::decide::lifetime;
use enforcer_common::flow_table::SLOTS;
use enforcer_common::parse::{number, pair};

#[test]
fn a_flow_is_counted_that_gives_way_before_it_has_expired() {
    // One bucket in each table.
    let map_entries = [("FLOWS_V4".to_owned(), 1), ("FLOWS_V6".to_owned(), 1)].into();
    let options = LoadOptions {
        map_entries,
        ..LoadOptions::default()
    };
    let mut ebpf = load(&options).unwrap();
    clock::load(&mut ebpf).unwrap();
    let _seeds = Seeds::take(&mut ebpf).unwrap();
    let maps = Maps::take(&mut ebpf).unwrap();
    let now = clock::now(&mut ebpf).unwrap();
    let mut put = |port: usize, age: u32| {
        let flow = Flow {
            endpoint: 1,
            revision: 1,
            last_seen: now.wrapping_sub(age),
            initiator: 1,
            state: 0,
        };
        let ports = pair(u16::try_from(port).unwrap(), 443);
        let protocol = u32::from(number::UDP);
        let v4 = FlowKey {
            pod: [1],
            peer: [2],
            ports,
            protocol,
        };
        let v6 = FlowKey {
            pod: [1; 4],
            peer: [2; 4],
            ports,
            protocol,
        };
        for key in [Key::V4(v4), Key::V6(v6)] {
            let tracked = false;
            seed::put(&mut ebpf, &Seed { key, flow, tracked }).unwrap();
        }
        maps.displaced_flows().unwrap()
    };
    // No kernel has more ticks in a second.
    let too_old = (lifetime(number::UDP, 0) + 1) * 1000;
    for port in 0..SLOTS {
        assert_eq!(put(port, too_old), 0, "a free slot");
    }
    for port in SLOTS..2 * SLOTS {
        assert_eq!(put(port, 1), 0, "the slot of one that has expired");
    }
    assert_eq!(put(2 * SLOTS, 1), 2, "one of each family");
    assert_eq!(put(2 * SLOTS, 1), 2, "its own slot");
}
