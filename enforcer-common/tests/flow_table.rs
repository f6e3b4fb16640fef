//! The table of flows: what is found is what was put, whatever else is written meanwhile.

#![expect(
    clippy::cast_possible_truncation,
    reason = "slots and words of an address are few"
)]

use std::cell::Cell;

use enforcer_common::abi::{Direction, Flow, FlowKey};
use enforcer_common::decide::{AHEAD, has_expired, lifetime};
use enforcer_common::flow_table::{
    BUCKET_V6, Bucket, Place, SLOTS, Secrets, buckets, displaces, entry, room, search, slot_words,
};
use enforcer_common::parse::{number, pair};

const SECRETS: Secrets = [
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0x2545_f491_4f6c_dd1d,
    0xd6e8_feb8_6659_fd93,
];

/// Ticks of a second.
const SECOND: u32 = 1000;

#[derive(Clone)]
struct Memory([Cell<u64>; BUCKET_V6]);

impl Memory {
    fn empty() -> Self {
        Self([const { Cell::new(0) }; BUCKET_V6])
    }
}

impl Bucket for Memory {
    fn load(&self, index: usize) -> u64 {
        self.0[index].get()
    }
    fn store(&self, index: usize, value: u64) {
        self.0[index].set(value);
    }
}

fn key<const W: usize>(number: u32) -> FlowKey<W> {
    FlowKey {
        pod: std::array::from_fn(|word| 0x0a00_0001 + word as u32),
        peer: std::array::from_fn(|word| number.wrapping_mul(0x0101_0101) ^ word as u32),
        ports: pair(4000, 80),
        protocol: u32::from(number::TCP),
    }
}

fn flow(endpoint: u32, revision: u32, last_seen: u32) -> Flow {
    Flow {
        endpoint,
        revision,
        last_seen,
        initiator: Direction::Egress as u8,
        state: Flow::DEFERRED | Flow::UNTRANSLATED,
    }
}

fn place<const W: usize>(key: &FlowKey<W>, flow: &Flow) -> Place<W> {
    Place::of(key, flow.endpoint, &SECRETS)
}

fn every_slot_returns_what_was_put<const W: usize>() {
    for slot in 0..SLOTS {
        let bucket = Memory::empty();
        // Whoever looks from the front meets no empty slot on the way.
        for before in 0..slot {
            let (other, held) = (key::<W>(100 + before as u32), flow(9, 9, 9));
            place(&other, &held).put(&bucket, before, &held);
        }
        let (key, flow) = (key::<W>(1), flow(7, 3, 12_345));
        let place = place(&key, &flow);
        assert_eq!(place.find(&bucket), None);
        place.put(&bucket, slot, &flow);
        assert_eq!(place.find(&bucket), Some(flow));
        assert_eq!(place.get(&bucket, slot), Some(flow));
        assert_eq!(search::<W>(&bucket, place.tag()), slot as u32);
        assert_eq!(entry(&bucket, slot, &SECRETS), Some((key, flow)));
    }
}

#[test]
fn a_flow_is_found_in_every_slot() {
    every_slot_returns_what_was_put::<1>();
    every_slot_returns_what_was_put::<4>();
}

#[test]
fn a_flow_of_another_endpoint_port_or_protocol_is_another_flow() {
    let bucket = Memory::empty();
    let (held, flow) = (key::<1>(1), flow(7, 3, 0));
    place(&held, &flow).put(&bucket, 0, &flow);
    let of = |key: FlowKey<1>, endpoint| Place::of(&key, endpoint, &SECRETS).find(&bucket);
    assert_eq!(of(held, 7), Some(flow));
    assert_eq!(of(held, 8), None);
    let ports = held.ports + 1;
    assert_eq!(of(FlowKey { ports, ..held }, 7), None);
    let protocol = u32::from(number::UDP);
    assert_eq!(of(FlowKey { protocol, ..held }, 7), None);
    let peer = [held.peer[0] + 1];
    assert_eq!(of(FlowKey { peer, ..held }, 7), None);
}

/// Every mixture of the words of two flows in one slot: readers and writers may be anywhere.
fn no_mixture_is_taken_for_a_flow<const W: usize>() {
    let flows = [flow(7, 3, 1), flow(8, 4, 2)];
    // The same endpoint, the same peer, another endpoint, another revision of the same flow.
    let keys = [
        [key::<W>(1), key::<W>(2)],
        [key::<W>(1), key::<W>(1)],
        [key::<W>(2), key::<W>(1)],
    ];
    let words = W + 3;
    for keys in keys {
        for flows in [[flows[0], flows[1]], [flows[0], flow(7, 4, 2)]] {
            let slots = [0, 1].map(|index| {
                let bucket = Memory::empty();
                place(&keys[index], &flows[index]).put(&bucket, 0, &flows[index]);
                bucket
            });
            for mixture in 0_u32..1 << words {
                let bucket = Memory::empty();
                for word in 0..words {
                    let from = &slots[(mixture >> word & 1) as usize];
                    bucket.store(word, from.load(word));
                }
                for index in [0, 1] {
                    let Some(found) = place(&keys[index], &flows[index]).find(&bucket) else {
                        continue;
                    };
                    let same_key = keys[0] == keys[1] && flows[0].endpoint == flows[1].endpoint;
                    let known = |flow: Flow| {
                        found.revision == flow.revision && found.endpoint == flow.endpoint
                    };
                    // Of one flow written twice either writing may be seen; of two flows a revision
                    // that is no other flow's, and nobody's but by chance.
                    assert!(
                        known(flows[index])
                            || (same_key && flows.into_iter().any(known))
                            || flows.iter().all(|flow| flow.revision != found.revision),
                        "{found:?} of {flows:?}, mixture {mixture:b}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_state_is_never_read_with_the_revision_of_another_state() {
    let key = key::<1>(1);
    let deferred = Flow {
        state: Flow::DEFERRED,
        ..flow(7, 4, 2)
    };
    let [before, after] = [flow(7, 3, 1), deferred].map(|flow| {
        let bucket = Memory::empty();
        place(&key, &flow).put(&bucket, 0, &flow);
        bucket
    });
    let place = place(&key, &deferred);
    assert_eq!(place.find(&after), Some(deferred));
    // Revision and tag are the last two words.
    before.store(2, after.load(2));
    let found = place.find(&before).unwrap();
    assert!(![3, 4].contains(&found.revision), "{found:?}");
}

#[test]
fn a_slot_that_two_flows_are_written_to_gives_no_flow_the_revision_of_the_other() {
    no_mixture_is_taken_for_a_flow::<1>();
    no_mixture_is_taken_for_a_flow::<4>();
}

#[test]
fn a_flow_gets_its_own_slot_else_an_empty_one_else_the_stalest() {
    let bucket = Memory::empty();
    let now = 500 * SECOND;
    let tag = |number| place(&key::<1>(number), &flow(7, 1, 0)).tag();
    for slot in 0..SLOTS as u32 {
        assert_eq!(room::<1>(&bucket, tag(slot), now), slot);
        let held = flow(7, 1, now - slot * SECOND);
        place(&key::<1>(slot), &held).put(&bucket, slot as usize, &held);
        assert_eq!(room::<1>(&bucket, tag(slot), now), slot);
    }
    assert_eq!(room::<1>(&bucket, tag(99), now), SLOTS as u32 - 1);
    // A minute of a flow over UDP, which lives for two, weighs more than that of one over TCP.
    let udp = FlowKey {
        protocol: u32::from(number::UDP),
        ..key::<1>(2)
    };
    let held = flow(7, 1, now - SECOND);
    Place::of(&udp, 7, &SECRETS).put(&bucket, 2, &held);
    assert_eq!(room::<1>(&bucket, tag(99), now), 2);
}

#[test]
fn a_flow_that_another_cpu_has_just_dated_is_the_youngest_and_has_not_expired() {
    let bucket = Memory::empty();
    let now = 500 * SECOND;
    for (protocol, alone) in [(number::TCP, 0), (number::UDP, 1), (number::ICMP, 2)] {
        for later in [0, 1, AHEAD] {
            let flow = flow(7, 1, now + later);
            assert!(!has_expired(&flow, protocol, now, SECOND), "{later}");
            let forgotten = Flow {
                last_seen: now.wrapping_sub(lifetime(protocol, 0) * SECOND + 1),
                ..flow
            };
            assert!(has_expired(&forgotten, protocol, now, SECOND));
        }
        // One such flow among others of its protocol that are seconds old.
        for slot in 0..SLOTS as u32 {
            let key = FlowKey {
                protocol: u32::from(protocol),
                ..key::<1>(slot)
            };
            let seen = if slot == alone {
                now + 1
            } else {
                now - (9 - slot) * SECOND
            };
            let held = flow(7, 1, seen);
            Place::of(&key, 7, &SECRETS).put(&bucket, slot as usize, &held);
        }
        let stalest = u32::from(alone == 0);
        let another = place(&key::<1>(99), &flow(7, 1, 0)).tag();
        assert_eq!(room::<1>(&bucket, another, now), stalest);
    }
}

#[test]
fn flows_spread_evenly_over_the_buckets() {
    const BUCKETS: u32 = 1 << 12;
    fn fullest<const W: usize>() -> (u32, u32) {
        let mut load = vec![0_u32; BUCKETS as usize];
        // Neighbouring addresses and ports, as pods and clients have them: two for each bucket.
        for number in 0..2 * BUCKETS {
            let mut key = key::<W>(0);
            key.peer[W - 1] = u32::from_be(0x0a00_0000 + number / 64);
            key.ports = pair(32_768 + (number % 64) as u16, 443);
            let place = Place::of(&key, 1, &SECRETS);
            load[place.bucket(BUCKETS - 1) as usize] += 1;
        }
        let beyond = load.iter().map(|load| load.saturating_sub(SLOTS as u32));
        (load.iter().copied().max().unwrap(), beyond.sum())
    }
    // Poisson with mean 2: 0.97 of 4,096 buckets have more than eight, and hardly one has a dozen.
    for (fullest, beyond) in [fullest::<1>(), fullest::<4>()] {
        assert!(fullest <= 12, "{fullest} flows in one bucket");
        assert!(beyond <= 8, "{beyond} flows without a slot");
    }
}

#[test]
fn a_table_has_four_slots_for_each_connection() {
    assert_eq!(buckets(131_072), 65_536);
    assert_eq!(buckets(100_000), 65_536);
    assert_eq!(buckets(1), 1);
    assert_eq!(buckets(u32::MAX), 1 << 26);
    assert_eq!(slot_words::<1>() * 8, 32);
    assert_eq!(slot_words::<4>() * 8, 64);
}

#[test]
fn only_another_flow_that_has_not_expired_is_displaced() {
    let bucket = Memory::empty();
    let now = 500 * SECOND;
    let held = flow(7, 1, now - SECOND);
    let (own, other) = (
        place(&key::<4>(1), &held).tag(),
        place(&key::<4>(2), &held).tag(),
    );
    assert!(
        !displaces::<4>(&bucket, 3, own, now, SECOND),
        "an empty slot"
    );
    for state in [0, Flow::DEFERRED, Flow::CLOSING] {
        let held = Flow { state, ..held };
        place(&key::<4>(1), &held).put(&bucket, 3, &held);
        assert!(!displaces::<4>(&bucket, 3, own, now, SECOND), "itself");
        assert!(displaces::<4>(&bucket, 3, other, now, SECOND), "{state}");
        let later = held.last_seen + 121 * SECOND;
        let closed = state == Flow::CLOSING;
        assert_eq!(displaces::<4>(&bucket, 3, other, later, SECOND), !closed);
    }
}
