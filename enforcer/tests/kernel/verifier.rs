//! What the verifier makes of the programs.

use enforcer::datapath::attach::Program;
use enforcer::datapath::load::{LoadOptions, load, program};

/// The kernel gives up at a million (`BPF_COMPLEXITY_LIMIT_INSNS`); older kernels prune less well
/// and need the room.
const LIMIT: u32 = 500_000;

#[test]
fn the_verifier_takes_every_program_with_room_to_spare() {
    let mut ebpf = load(&LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    for which in Program::ALL {
        let info = program(&mut ebpf, which).unwrap().info().unwrap();
        let verified = info.verified_instruction_count().unwrap();
        println!("{which:?}: {verified} instructions verified");
        assert!(verified < LIMIT, "{which:?}: {verified}");
    }
}
