//! Random sequences of packets.

use std::collections::BTreeMap;

use enforcer_common::Reason;

use crate::both::Both;
use crate::packets::Packets;
use crate::random::Random;
use crate::world;

const WORLDS: u64 = 40;
const SEQUENCES: u32 = 12;
const PACKETS: usize = 60;

/// Also a check of the generator: what it never brings about is not compared.
#[test]
fn program_and_host_agree_about_every_packet_and_meet_every_reason() {
    let mut both = Both::new();
    let mut met: BTreeMap<Reason, usize> = BTreeMap::new();
    let mut id = 0;
    for seed in 0..WORLDS {
        let mut random = Random::new(seed);
        both.set_tables(world::tables(&mut random));
        for _ in 0..SEQUENCES {
            id += 1;
            let mut endpoint = world::endpoint(&mut random, id);
            let mut packets = Packets::new(random.clone());
            for _ in 0..PACKETS {
                if random.once_in(8) {
                    world::disturb(&mut random, &mut endpoint);
                }
                if let Some(reason) = both.judge(&endpoint, &packets.next()) {
                    *met.entry(reason).or_default() += 1;
                }
            }
        }
    }
    println!("{met:#?}, refused {}", both.refused);
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !met.contains_key(reason))
        .collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
}
