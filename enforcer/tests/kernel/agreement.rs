//! Random sequences of packets.

use std::collections::BTreeMap;

use enforcer_common::Reason;
use enforcer_common::abi::Endpoint;

use crate::both::Both;
use crate::packets::Packets;
use crate::random::Random;
use crate::world;

const WORLDS: u64 = 60;
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

/// Seconds that pass at a time. No sum of them comes close to the life of a flow from below, so
/// that the few seconds that the test itself takes make no difference.
const PAUSES: [u32; 4] = [47, 47, 131, 433_000];

#[test]
fn flows_expire_alike() {
    let mut both = Both::new();
    let mut random = Random::new(1000);
    both.set_tables(world::tables(&mut random));
    let mut established = 0;
    for id in 1..=60 {
        let mut endpoint = world::endpoint(&mut random, id);
        endpoint.flags = Endpoint::ISOLATED;
        endpoint.sets = [0, random.of(&[0, 1])];
        let mut packets = Packets::new(random.clone());
        for _ in 0..40 {
            if random.once_in(20) {
                both.advance(random.of(&PAUSES));
            }
            let reason = both.judge(&endpoint, &packets.next());
            established += u32::from(reason == Some(Reason::Established));
            random.next();
        }
    }
    assert!(
        established > 50,
        "only {established} packets belonged to a flow"
    );
}
