//! Packets of every kind, cut off at every length.

use enforcer_common::abi::{Direction, Endpoint};

use crate::both::Both;
use crate::packets::{Packet, Packets};
use crate::random::Random;
use crate::world;

#[test]
fn program_and_host_agree_about_a_packet_cut_off_anywhere() {
    let mut both = Both::new();
    let mut random = Random::new(7);
    both.set_tables(world::tables(&mut random));
    let mut packets = Packets::new(random.clone());
    for id in 1..=150 {
        let endpoint = Endpoint {
            id,
            flags: Endpoint::ISOLATED | random.of(&[0, Endpoint::CHECK_SOURCE]),
            ..world::endpoint(&mut random, id)
        };
        let whole = packets.next();
        for length in 14..=whole.bytes.len() {
            for hook in Direction::ALL {
                let cut = Packet {
                    hook,
                    bytes: whole.bytes[..length].to_vec(),
                    ..whole.clone()
                };
                both.judge(&endpoint, &cut);
            }
        }
    }
}
