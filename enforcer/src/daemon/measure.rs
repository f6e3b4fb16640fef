//! What the daemon counts of its own work.

use std::time::{Duration, Instant};

use crate::api::status::Work;

/// Upper ends of the histogram's classes.
pub const BOUNDS: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Counters since the start.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Batches of changes.
    pub batches: u64,
    /// Changes in them.
    pub changes: u64,
    /// Batches with something that policies may depend on, so that the tables were compiled anew in part.
    pub compiles: u64,
    /// Map writes that followed.
    pub writes: u64,
    /// From the arrival of a batch's oldest change to its last map write.
    pub latency: Histogram,
}

impl Measures {
    /// A batch was put into force.
    pub(super) fn applied(&mut self, changes: usize, writes: usize, oldest: Option<Instant>) {
        self.noted(changes);
        self.compiles += 1;
        self.writes += writes as u64;
        if let Some(oldest) = oldest {
            self.latency.add(oldest.elapsed());
        }
    }

    /// The same as a client gets it.
    pub(super) fn as_work(&self) -> Work {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bounds = BOUNDS.iter().map(|bound| Some(micros(*bound)));
        let classes = self.latency.classes.iter().copied();
        Work {
            changes: self.changes,
            batches: self.batches,
            compiles: self.compiles,
            writes: self.writes,
            latency: bounds.chain([None]).zip(classes).collect(),
            latency_sum: micros(self.latency.total),
            latency_longest: micros(self.latency.longest),
        }
    }

    /// A batch came that makes no difference to policies.
    pub(super) fn noted(&mut self, changes: usize) {
        self.batches += 1;
        self.changes += changes as u64;
    }
}

/// How many lasted how long.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// How many lasted at most as long as each of [`BOUNDS`] and longer than the one before; the last
    /// class is what lasted longer than all.
    pub classes: [u64; BOUNDS.len() + 1],
    /// All together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Histogram {
    fn add(&mut self, duration: Duration) {
        let class = BOUNDS.iter().position(|bound| duration <= *bound);
        if let Some(count) = self.classes.get_mut(class.unwrap_or(BOUNDS.len())) {
            *count += 1;
        }
        self.total += duration;
        self.longest = self.longest.max(duration);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }
}
