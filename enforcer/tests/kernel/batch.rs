//! Many writes at once against the same writes one by one.

use std::net::IpAddr;

use aya::{Ebpf, EbpfLoader};
use enforcer::datapath::maps::Maps;
use enforcer::datapath::{OBJECT, batch};
use enforcer_common::abi::{Peer, Verdict, VerdictKey, Write};
use enforcer_common::parse::NETWORK;
use enforcer_policy::tables::{Op, Tables};
use ipnet::IpNet;

use crate::random::Random;

fn maps(verdicts: u32) -> (Ebpf, Maps) {
    let mut loader = EbpfLoader::new();
    let mut ebpf = loader
        .map_max_entries("VERDICTS", verdicts)
        .load(OBJECT)
        .unwrap();
    batch::load(&mut ebpf).unwrap();
    let maps = Maps::take(&mut ebpf).unwrap();
    (ebpf, maps)
}

/// An operation on one of few keys, so that the same one is put, put again and taken out, there or not.
fn op(random: &mut Random) -> Op {
    let few = random.u8() % 40;
    let peer = Peer {
        identity: random.u32(),
        node: random.u32(),
        flags: random.u32(),
    };
    let (address, bits): (IpAddr, u8) = if random.once_in(2) {
        ([10, 0, 0, few].into(), 32)
    } else {
        ([0xfd00, 0, 0, 1, 0, 0, 0, few.into()].into(), 128)
    };
    let length = 1 + random.u8() % bits;
    let net = IpNet::new(address, length).unwrap().trunc();
    let key = VerdictKey {
        set: few.into(),
        identity: random.u32() % 3,
    };
    match random.below(6) {
        0 => Op::PutVerdict(key, bytemuck::must_cast([random.u32(), 2, 3])),
        1 => Op::DeleteVerdict(key),
        2 => Op::PutAddress(address, peer),
        3 => Op::DeleteAddress(address),
        4 => Op::PutCidr(net, peer),
        _ => Op::DeleteCidr(net),
    }
}

/// Writes all of them, many at once and the others alone, and says how many were alone.
fn write(ebpf: &Ebpf, maps: &mut Maps, mut ops: &[Op]) -> usize {
    let mut alone = 0;
    while let Some((op, others)) = ops.split_first() {
        let done = batch::write(ebpf, ops);
        if done > 0 {
            ops = &ops[done..];
            continue;
        }
        maps.apply(op).unwrap();
        alone += 1;
        ops = others;
    }
    alone
}

#[test]
fn many_writes_at_once_are_the_same_writes_in_the_same_order() {
    let mut random = Random::new(7);
    let (ebpf, mut maps) = maps(1000);
    let mut known = Tables::default();
    // A call takes a hundred, and is not made for one.
    for (count, alone) in [(1, 1), (4, 0), (99, 0), (100, 0), (101, 1), (555, 0)] {
        let ops: Vec<Op> = (0..count).map(|_| op(&mut random)).collect();
        assert_eq!(write(&ebpf, &mut maps, &ops), alone, "{count}");
        for op in &ops {
            known.apply(op);
        }
        let held = maps.read().unwrap();
        assert_eq!(held.verdicts, known.verdicts);
        assert_eq!(held.addresses, known.addresses);
        assert_eq!(held.cidrs, known.cidrs);
    }
    assert!(!known.verdicts.is_empty() && !known.addresses.is_empty() && !known.cidrs.is_empty());
}

#[test]
fn what_the_kernel_refuses_ends_a_batch_and_nothing_behind_it_is_written() {
    let (ebpf, mut maps) = maps(8);
    let verdict = Verdict {
        offset: 1,
        ..Verdict::default()
    };
    let put = |set| Op::PutVerdict(VerdictKey { set, identity: 1 }, verdict);
    let mut ops: Vec<Op> = (1..=20).map(put).collect();
    ops.push(Op::DeleteVerdict(VerdictKey {
        set: 1,
        identity: 1,
    }));
    assert_eq!(batch::write(&ebpf, &ops), 8);
    let held = maps.read().unwrap().verdicts;
    assert!(held.keys().map(|key| key.set).eq(1..=8), "{held:?}");
    assert_eq!(batch::write(&ebpf, &ops[8..]), 0);
    let error = maps.apply(&ops[8]).unwrap_err().to_string();
    assert!(
        error.contains("VERDICTS could not take a verdict"),
        "{error}"
    );
}

#[test]
fn writes_fit_into_the_packet_of_the_oldest_kernel() {
    // A page less what Linux 5.10 keeps before and behind a test packet: NET_SKB_PAD and NET_IP_ALIGN, and
    // `skb_shared_info`.
    let room = 4096 - 64 - 2 - 320;
    assert!(NETWORK + Write::MOST * size_of::<Write>() <= room);
}
