//! What came of a storm.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

/// One storm.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Account {
    /// Frames that were sent.
    pub(super) sent: u64,
    /// Packets that the programs have dropped.
    pub(super) dropped: u64,
    /// Of these, packets that records stand for.
    pub(super) recorded: u64,
    /// Of these, packets that are counted without a record.
    pub(super) unrecorded: u64,
    /// Records.
    pub(super) records: u64,
    /// How long was sent, in seconds.
    pub(super) storm_s: f64,
    /// What the daemon's threads have taken, in seconds of a CPU.
    pub(super) cpu_s: f64,
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2⁵² packets")]
impl Account {
    pub(super) fn rate(&self) -> f64 {
        self.dropped as f64 / self.storm_s
    }

    pub(super) fn share(&self) -> f64 {
        100.0 * self.cpu_s / self.storm_s
    }

    pub(super) fn told(&self) -> f64 {
        100.0 * self.recorded as f64 / self.dropped as f64
    }

    pub(super) fn records_per_second(&self) -> f64 {
        self.records as f64 / self.storm_s
    }
}

/// What the threads of a process have taken of CPUs so far.
pub(super) fn cpu_time(process: u32) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut all = Duration::ZERO;
    for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
        // A thread may have ended by now.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let ran = text.split(' ').next().and_then(|ran| ran.parse().ok());
        all += Duration::from_nanos(ran.context("a thread's schedstat")?);
    }
    Ok(all)
}
