//! What the verifier makes of the programs.

use std::process::Command;

use enforcer::datapath::attach::Program;
use serde_json::Value;

/// The kernel gives up at a million (`BPF_COMPLEXITY_LIMIT_INSNS`); older kernels prune less well
/// and need the room.
const LIMIT: u64 = 500_000;

/// By a process of its own: some kernels say how many they were in a roundabout way, which other threads
/// would disturb.
#[test]
fn the_verifier_takes_every_program_with_room_to_spare() {
    let output = Command::new(env!("CARGO_BIN_EXE_enforcer"))
        .args(["debug", "programs", "--output", "json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let programs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = programs
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, Program::ALL.map(Program::name));
    for program in programs {
        let verified = program["verified_instructions"].as_u64().unwrap();
        println!("{program}");
        assert!(verified > 0 && verified < LIMIT, "{program}");
    }
}
