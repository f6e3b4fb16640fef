//! What changes cost, by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::churn::Event;
use super::clock::Took;
use crate::stats::quantile;

/// One change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The compiler.
    pub(super) compile: Took,
    /// The compiler and the kernel's side, to the last map write.
    pub(super) whole: Took,
    /// The writes that followed.
    pub(super) writes: usize,
}

/// All changes of a run, by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(BTreeMap<Event, Vec<Sample>>);

/// What is said of the changes of one kind, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Costs {
    /// How many changes.
    pub(super) count: usize,
    /// The compiler alone, on the CPU: half of the changes take less...
    pub(super) compile_p50: f64,
    /// ...and all but one in a hundred.
    pub(super) compile_p99: f64,
    /// To the last map write, on the CPU.
    pub(super) p50: f64,
    /// The same of all but one in a hundred.
    pub(super) p99: f64,
    /// The same of all.
    pub(super) most: f64,
    /// To the last map write by the clock, of all but one in a hundred.
    pub(super) wall_p99: f64,
    /// Writes, of half of the changes...
    pub(super) writes_p50: f64,
    /// ...and at most.
    pub(super) writes_most: f64,
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 writes")]
fn number(count: usize) -> f64 {
    count as f64
}

impl Samples {
    /// One more.
    pub(super) fn add(&mut self, event: Event, sample: Sample) {
        self.0.entry(event).or_default().push(sample);
    }

    /// The costs of the changes of a kind; `None` when there was none.
    pub(super) fn costs(&self, event: Event) -> Option<Costs> {
        let samples = self.0.get(&event)?;
        let sorted = |value: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let compile = sorted(|one| milliseconds(one.compile.cpu));
        let whole = sorted(|one| milliseconds(one.whole.cpu));
        let wall = sorted(|one| milliseconds(one.whole.wall));
        let writes = sorted(|one| number(one.writes));
        Some(Costs {
            count: samples.len(),
            compile_p50: quantile(&compile, 0.5)?,
            compile_p99: quantile(&compile, 0.99)?,
            p50: quantile(&whole, 0.5)?,
            p99: quantile(&whole, 0.99)?,
            most: quantile(&whole, 1.0)?,
            wall_p99: quantile(&wall, 0.99)?,
            writes_p50: quantile(&writes, 0.5)?,
            writes_most: quantile(&writes, 1.0)?,
        })
    }
}
