//! Runs of a program, timed.

use anyhow::{Context, Result, bail};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use enforcer::datapath::judge::{LINK, OTHER_LINK};
use enforcer::datapath::told::{self, field};
use nix::time::{ClockId, clock_gettime};

/// How a program took its packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    /// Nanoseconds for each packet.
    pub(super) nanoseconds: f64,
    /// What it returned for the last one.
    pub(super) action: i32,
}

/// Shows a packet to a program `repeat` times.
///
/// The time is what this thread was on a processor, divided: finer than the whole nanoseconds that
/// the kernel tells, and without what other processes took meanwhile. Setting a run up is in it, a few
/// microseconds for all its packets, as it is in the empty program's.
pub(super) fn run(program: &SchedClassifier, packet: &[u8], repeat: u32) -> Result<Ran> {
    let mut context = [0_u32; field::COUNT];
    // From elsewhere: what the own node sends is not judged.
    context[field::came_by(&told::options()?)] = OTHER_LINK;
    context[field::IFINDEX] = LINK;
    let begin = on_cpu()?;
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(packet),
            ctx_in: Some(bytemuck::cast_slice(&context)),
            repeat,
            ..TestRunOptions::new()
        })
        .context("the kernel refuses to test a program (BPF_PROG_TEST_RUN)")?;
    let time = on_cpu()? - begin;
    if repeat == 0 {
        bail!("a program must be run at least once");
    }
    Ok(Ran {
        nanoseconds: time / f64::from(repeat),
        action: result.return_value.cast_signed(),
    })
}

/// Nanoseconds that this thread has been on a processor.
fn on_cpu() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("reading the clock")?;
    #[expect(clippy::cast_precision_loss, reason = "exact for a hundred days")]
    let nanoseconds = time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64;
    Ok(nanoseconds)
}
