//! The last records, and who follows them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::record::Record;

/// Records that are kept for `enforcer flows --last`.
const KEPT: usize = 4096;

/// What is kept, oldest first, and all that comes from then on.
pub type Subscription = (Vec<Arc<Record>>, broadcast::Receiver<Arc<Record>>);

/// Keeps the last records and hands new ones to followers.
pub struct FlowStore {
    last: VecDeque<Arc<Record>>,
    followers: broadcast::Sender<Arc<Record>>,
}

impl Default for FlowStore {
    fn default() -> Self {
        Self {
            last: VecDeque::new(),
            followers: broadcast::Sender::new(KEPT),
        }
    }
}

impl FlowStore {
    /// Takes a record in.
    pub fn push(&mut self, record: Record) {
        let record = Arc::new(record);
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(record.clone());
        // Nobody following is fine.
        let _ = self.followers.send(record);
    }

    /// What a new follower gets.
    pub fn subscribe(&self) -> Subscription {
        (
            self.last.iter().cloned().collect(),
            self.followers.subscribe(),
        )
    }
}
