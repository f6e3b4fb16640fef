//! The time as the programs count it.
//!
//! Asked of the kernel by running a program that returns `bpf_jiffies64`. No clock of user space is
//! the same: jiffies begin five minutes before their overflow, and where the tick does not sleep
//! they count interrupts, whatever `CLOCK_MONOTONIC` is slewed to.

use aya::Ebpf;
use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions};

/// Its name in the object.
const PROGRAM: &str = "clock";
/// The kernel wants at least an Ethernet header to run a tc program on.
const FRAME: [u8; 64] = [0; 64];

/// Why nobody knows the time.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The object lacks the program.
    #[error("the BPF object has no tc program {PROGRAM:?}; run `cargo xtask build-ebpf`")]
    NoProgram,
    /// The kernel refused it.
    #[error("the kernel refused the program {PROGRAM:?}: {0}")]
    Program(#[from] ProgramError),
}

/// Loads the program.
pub fn load(ebpf: &mut Ebpf) -> Result<(), ClockError> {
    Ok(program(ebpf)?.load()?)
}

/// Jiffies, low 32 bits: the unit and origin of `Flow::last_seen`.
pub fn now(ebpf: &mut Ebpf) -> Result<u32, ClockError> {
    let options = TestRunOptions {
        data_in: Some(&FRAME),
        ..TestRunOptions::new()
    };
    Ok(program(ebpf)?.test_run(options)?.return_value)
}

/// The program itself: the smallest of all, for trying out what can be done with one.
pub fn program(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, ClockError> {
    ebpf.program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or(ClockError::NoProgram)
}
