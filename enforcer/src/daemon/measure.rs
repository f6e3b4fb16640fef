//! What the daemon counts of its own work.

use std::time::{Duration, Instant};

use crate::api::status::Work;

/// Upper ends of the classes of [`Measures::latency`].
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

/// Upper ends of the classes of its parts, most of which take less than a millisecond.
pub const FINE: [Duration; 10] = [
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Counters since the start.
#[derive(Clone, Debug)]
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
    /// How long compiling a batch took.
    pub compiling: Histogram,
    /// How long it took to write what came of it.
    pub writing: Histogram,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            batches: 0,
            changes: 0,
            compiles: 0,
            writes: 0,
            latency: Histogram::new(&BOUNDS),
            compiling: Histogram::new(&FINE),
            writing: Histogram::new(&FINE),
        }
    }
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
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Upper ends of the classes but the last.
    pub bounds: &'static [Duration],
    /// How many lasted at most as long as each bound and longer than the one before; the last
    /// class is what lasted longer than all.
    pub classes: Vec<u64>,
    /// All together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Histogram {
    fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            classes: vec![0; bounds.len() + 1],
            total: Duration::ZERO,
            longest: Duration::ZERO,
        }
    }

    /// One lasted so long.
    pub(super) fn add(&mut self, duration: Duration) {
        let class = self.bounds.iter().position(|bound| duration <= *bound);
        if let Some(count) = self.classes.get_mut(class.unwrap_or(self.bounds.len())) {
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
