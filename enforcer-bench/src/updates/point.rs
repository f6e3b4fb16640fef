//! One size of the cluster, with or without other changes: how long changes of a policy take.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use enforcer::api::status::Work;
use enforcer_lab::Daemon;
use serde::Serialize;

use super::backend::Backend;
use super::cluster::gate;
use super::stage::work;
use super::stream::Stream;

/// What is done to the policy, in this order again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step {
    /// It comes, and denies.
    Made,
    /// It is changed and allows.
    Opened,
    /// It is changed back and denies.
    Closed,
    /// It goes, so that everything is allowed.
    Deleted,
}

impl Step {
    pub(super) const ALL: [Self; 4] = [Self::Made, Self::Opened, Self::Closed, Self::Deleted];

    /// What a table says.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Made => "made: first packet dropped",
            Self::Opened => "changed: first packet let through",
            Self::Closed => "changed back: first packet dropped",
            Self::Deleted => "deleted: first packet let through",
        }
    }

    fn denies(self) -> bool {
        matches!(self, Self::Made | Self::Closed)
    }

    fn make(self, backend: &dyn Backend) -> Result<()> {
        match self {
            Self::Made | Self::Closed => backend.put(&gate(false)),
            Self::Opened => backend.put(&gate(true)),
            Self::Deleted => backend.delete(&gate(true)),
        }
    }
}

/// What was found, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Times {
    /// From the end of the write, or the API server's answer.
    pub(super) from_answer: BTreeMap<Step, Vec<f64>>,
    /// From the beginning of it.
    pub(super) from_request: BTreeMap<Step, Vec<f64>>,
    /// Between two datagrams, on average: what the times are uncertain by.
    pub(super) interval: f64,
    /// From the arrival of a batch in the daemon to its last map write, on average, where batches
    /// were compiled.
    pub(super) inside: Option<f64>,
    /// Batches that were compiled in a second.
    pub(super) batches_per_second: f64,
}

/// Changes the policy this many times in each of the four ways.
pub(super) fn measure(
    backend: &dyn Backend,
    stream: &Stream,
    daemon: &Daemon,
    rounds: usize,
) -> Result<Times> {
    let (before, sent, begin) = (work(daemon)?, stream.sent(), Instant::now());
    let mut times = Times::default();
    let mut pause = Pause(1);
    for _ in 0..rounds {
        for step in Step::ALL {
            pause.wait();
            one(&mut times, step, backend, stream)?;
        }
    }
    let after = work(daemon)?;
    let seconds = begin.elapsed().as_secs_f64();
    times.interval = seconds * 1e3 / number(stream.sent() - sent).max(1.0);
    times.inside = inside(&before, &after);
    times.batches_per_second = number(after.compiles - before.compiles) / seconds;
    Ok(times)
}

fn one(times: &mut Times, step: Step, backend: &dyn Backend, stream: &Stream) -> Result<()> {
    let request = Instant::now();
    step.make(backend)?;
    let answer = Instant::now();
    let judged = if step.denies() {
        stream.wait_for_silence(request)?
    } else {
        stream.wait_for_arrival(request)?
    };
    let since = |from: Instant| judged.saturating_duration_since(from).as_secs_f64() * 1e3;
    times
        .from_answer
        .entry(step)
        .or_default()
        .push(since(answer));
    times
        .from_request
        .entry(step)
        .or_default()
        .push(since(request));
    Ok(())
}

fn inside(before: &Work, after: &Work) -> Option<f64> {
    let compiles = after.compiles - before.compiles;
    let micros = after.latency_sum - before.latency_sum;
    (compiles > 0).then(|| number(micros) / number(compiles) / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are small")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Pauses of different lengths, always the same ones, so that changes fall anywhere into whatever the
/// daemon does at an even pace.
struct Pause(u64);

impl Pause {
    fn wait(&mut self) {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(Duration::from_millis(20 + (self.0 >> 33) % 100));
    }
}
