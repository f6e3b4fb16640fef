//! Now and then: whether the kernel's maps hold what was written.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Daemon;
use crate::datapath::readback::{self, Entry, MAPS, PAUSE};

/// So many entries are told one by one; of more together only how many they are.
const TOLD: usize = 16;

/// Reading back, as far as it is.
pub(super) struct ReadBack {
    every: Option<Duration>,
    /// When the next step is due.
    due: Instant,
    /// When the pass began that goes on or was the last.
    begun: Instant,
    phase: Phase,
    /// Passes that came to their end.
    pub(super) passes: u64,
    /// Entries that were not as written, by map.
    pub(super) repaired: BTreeMap<&'static str, u64>,
}

/// What a pass does.
enum Phase {
    /// Waits for the next.
    Pause,
    /// Looks at what should be there, behind this entry.
    Wanted(Option<Entry>),
    /// Looks for what should not.
    Strays(mpsc::Receiver<Vec<Entry>>),
}

/// What is to be done now.
pub(super) enum Task {
    /// The next step of what should be there.
    Wanted(Option<Entry>),
    /// These are there.
    Found(Vec<Entry>),
    /// These were all.
    End,
}

impl ReadBack {
    /// A pass in each such time, or none.
    pub(super) fn new(every: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            every,
            due: now + every.unwrap_or_default(),
            begun: now,
            phase: Phase::Pause,
            passes: 0,
            repaired: MAPS.into_iter().map(|map| (map, 0)).collect(),
        }
    }

    /// Waits until there is something to do. Can be dropped at any time.
    pub(super) async fn task(&mut self) -> Task {
        if self.every.is_none() {
            return std::future::pending().await;
        }
        match &mut self.phase {
            Phase::Pause => {
                sleep_until(self.due).await;
                Task::Wanted(None)
            }
            Phase::Wanted(last) => {
                sleep_until(self.due).await;
                Task::Wanted(*last)
            }
            Phase::Strays(keys) => keys.recv().await.map_or(Task::End, Task::Found),
        }
    }

    fn wait_for_next(&mut self) {
        self.phase = Phase::Pause;
        let next = self.begun + self.every.unwrap_or_default();
        self.due = next.max(Instant::now() + PAUSE);
    }

    fn tell(&mut self, repaired: &[Entry]) {
        for entry in repaired {
            *self.repaired.entry(entry.map()).or_default() += 1;
        }
        for entry in repaired.iter().take(TOLD) {
            tracing::warn!(map = entry.map(), key = %entry, "a map was not as written; repaired");
        }
        if let Some(more @ 1..) = repaired.len().checked_sub(TOLD) {
            tracing::warn!(more, "more entries of maps were not as written; repaired");
        }
    }
}

impl Daemon {
    /// Does what [`ReadBack::task`] came to.
    pub(super) fn read_back(&mut self, task: Task) {
        match task {
            // Until then links are still an earlier daemon's; and what cannot be written is written
            // anew as a whole.
            _ if !self.settled || self.writer.broken().is_some() => self.put_off(),
            Task::Wanted(last) => self.compare(last),
            Task::Found(keys) => {
                let repaired = self.writer.remove_strays(self.compiler.tables(), &keys);
                self.read_back.tell(&repaired);
            }
            Task::End => {
                self.read_back.passes += 1;
                self.read_back.wait_for_next();
            }
        }
    }

    fn put_off(&mut self) {
        self.read_back.begun = Instant::now();
        self.read_back.wait_for_next();
    }

    fn compare(&mut self, last: Option<Entry>) {
        if last.is_none() {
            self.read_back.begun = Instant::now();
        }
        let step = self.writer.read_back(self.compiler.tables(), last);
        self.read_back.tell(&step.repaired);
        self.read_back.due = Instant::now() + PAUSE;
        self.read_back.phase = match step.last {
            Some(last) => Phase::Wanted(Some(last)),
            None => match readback::start(self.writer.ids()) {
                Ok(keys) => Phase::Strays(keys),
                Err(error) => {
                    tracing::warn!(%error, "cannot look for entries that were never written");
                    return self.put_off();
                }
            },
        };
    }
}
