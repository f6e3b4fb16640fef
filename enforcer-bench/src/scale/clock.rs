//! How long something takes: by the clock, and on the CPU, because builds share their machines.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// When something began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

/// How long it took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    /// By the clock.
    pub(super) wall: Duration,
    /// Of this thread's time on a CPU, system calls included.
    pub(super) cpu: Duration,
}

fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

impl Stopwatch {
    /// From now on.
    pub(super) fn start() -> Self {
        Self {
            cpu: on_cpu(),
            wall: Instant::now(),
        }
    }

    /// Until now.
    pub(super) fn took(&self) -> Took {
        Took {
            wall: self.wall.elapsed(),
            cpu: on_cpu().saturating_sub(self.cpu),
        }
    }
}
