//! The daemon's clock against the programs'.

use aya::maps::Map;
use aya::programs::{TestRun as _, TestRunOptions};
use enforcer::datapath::attach::Program;
use enforcer::datapath::clock;
use enforcer::datapath::flow_maps::{self, Flows};
use enforcer::datapath::frame::opening;
use enforcer::datapath::load::{LoadOptions, load, program};
use enforcer::datapath::maps::Maps;
use enforcer_common::abi::{Endpoint, address};
use enforcer_common::flow_table::BUCKET_V4;
use enforcer_common::parse::number;

/// Whether a moment is not before another one, on a clock that overflows.
fn follows(later: u32, earlier: u32) -> bool {
    later.wrapping_sub(earlier) < u32::MAX / 2
}

#[test]
fn a_flow_is_seen_between_two_looks_at_the_clock() {
    let mut ebpf = load(&LoadOptions::default()).unwrap();
    clock::load(&mut ebpf).unwrap();
    let mut maps = Maps::take(&mut ebpf).unwrap();
    let endpoint = Endpoint {
        id: 1,
        flags: Endpoint::ISOLATED,
        // Isolated towards it, so that what it sends is tracked and passes.
        sets: [1, 0],
        v4: address::v4([10, 0, 0, 1].into()),
        ..Endpoint::default()
    };
    maps.put_endpoint(1, &endpoint).unwrap();
    let before = clock::now(&mut ebpf).unwrap();
    let [from, to] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(std::net::IpAddr::from);
    let packet = opening(from, to, number::UDP, 53).unwrap();
    let options = TestRunOptions {
        data_in: Some(&packet),
        ..TestRunOptions::new()
    };
    let from_pod = program(&mut ebpf, Program::FromPod).unwrap();
    from_pod.test_run(options).unwrap();
    let after = clock::now(&mut ebpf).unwrap();
    let Some(Map::Array(data)) = ebpf.take_map(flow_maps::V4.map) else {
        panic!("flows are in an array");
    };
    let flows = Flows::<BUCKET_V4>::of(flow_maps::V4, data).unwrap();
    let mut seen = Vec::new();
    flows
        .walk::<1>(|_, flow| seen.push(flow.last_seen))
        .unwrap();
    let [seen] = seen[..] else {
        panic!("one flow, not {seen:?}");
    };
    assert!(
        follows(seen, before) && follows(after, seen),
        "{before} {seen} {after}"
    );
}
