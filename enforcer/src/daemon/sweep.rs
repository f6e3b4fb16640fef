//! Takes connections to endpoints of services out of the kernel's table when policy has revoked
//! them: see [`crate::datapath::revoke`].
//!
//! Reading the table takes its time, so another thread does it, for all pods that have come
//! together meanwhile. What it finds is judged here, by the tables of that moment.

mod work;

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use self::work::Found;
use super::Daemon;
use crate::api::Status;
use crate::datapath::conntrack::dump::{DumpError, Extent};
use crate::datapath::denials::Alike;

/// Between two readings passes so many times the time of the first, so that no number of changes
/// keeps more than a fifth of a CPU busy.
const REST: u32 = 4;

/// What another thread has done.
pub(super) enum News {
    /// It has waited until the table may be read again.
    Rested,
    /// It has read the table.
    Read(Result<Found, DumpError>),
    /// It has removed so many connections.
    Removed(Result<usize, DumpError>),
}

/// What another thread is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Resting,
    Working,
}

pub(super) struct Sweep {
    news: mpsc::UnboundedSender<News>,
    state: State,
    /// When the table may be read again.
    next: Instant,
    /// The table cannot be used, and that has been told.
    failed: bool,
    /// Who wants to know the daemon's state after so many more readings.
    waiting: Vec<(u8, oneshot::Sender<Status>)>,
}

impl Sweep {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, receiver) = mpsc::unbounded_channel();
        let sweep = Self {
            news,
            state: State::Idle,
            next: Instant::now(),
            failed: false,
            waiting: Vec::new(),
        };
        (sweep, receiver)
    }

    fn rest(&mut self) {
        self.state = State::Resting;
        let (news, next) = (self.news.clone(), self.next);
        tokio::spawn(async move {
            tokio::time::sleep_until(next.into()).await;
            // Nobody listens any more when the daemon ends.
            let _ = news.send(News::Rested);
        });
    }

    fn begin(&mut self, work: impl FnOnce() -> News + Send + 'static) {
        self.state = State::Working;
        let news = self.news.clone();
        tokio::task::spawn_blocking(move || {
            let _ = news.send(work());
        });
    }

    /// The table was used, or cannot be: said once until it is there again.
    fn note<T>(&mut self, outcome: Result<T, DumpError>) -> Option<T> {
        if let Err(error) = &outcome
            && !self.failed
        {
            tracing::info!(%error, "what endpoints of services still send when policy revokes them may pass");
        }
        self.failed = outcome.is_err();
        outcome.ok()
    }
}

impl Daemon {
    /// Begins where policy may have revoked connections, unless another thread is at it: then it goes
    /// on with these behind that.
    pub(super) fn sweep(&mut self) {
        // Nobody is judged by half of the cluster.
        if !self.settled || self.sweep.state != State::Idle || !self.writer.has_suspects() {
            return;
        }
        if Instant::now() < self.sweep.next {
            return self.sweep.rest();
        }
        let pods = self.writer.take_suspects();
        if pods.is_empty() {
            // They have no link here: nothing to read, for which somebody may be waiting.
            return self.tell();
        }
        self.sweep.begin(move || News::Read(work::read(&pods)));
    }

    pub(super) fn swept(&mut self, news: News) {
        self.sweep.state = State::Idle;
        match news {
            News::Rested => return self.sweep(),
            News::Read(outcome) => {
                if let Some(found) = self.sweep.note(outcome)
                    && self.remove(&found)
                {
                    return;
                }
            }
            News::Removed(outcome) => {
                if let Some(connections) = self.sweep.note(outcome) {
                    tracing::info!(connections, "revoked connections to endpoints of services");
                }
            }
        }
        self.tell();
        self.sweep();
    }

    /// Has removed what is forbidden; whether there is any.
    fn remove(&mut self, found: &Found) -> bool {
        self.sweep.next = Instant::now() + found.time * REST;
        if found.extent == Extent::Part {
            tracing::warn!(
                "the table of connections is too large to be read whole; what endpoints of services still send when policy revokes them may pass"
            );
        }
        let tables = self.compiler.tables();
        let forbidden = self.writer.forbidden(tables, &found.translated);
        if forbidden.is_empty() {
            return false;
        }
        self.sweep
            .begin(move || News::Removed(work::remove(&forbidden)));
        true
    }

    /// Removes what revoked packets have left in the table: they were translated before they were
    /// denied, and that lets answers in again.
    pub(super) fn sweep_behind(&mut self, batch: &[Alike]) {
        if !self.settled {
            return;
        }
        let outcome = work::left_by(batch).and_then(|translated| {
            let tables = self.compiler.tables();
            match self.writer.forbidden(tables, &translated) {
                forbidden if forbidden.is_empty() => Ok(0),
                forbidden => work::remove(&forbidden),
            }
        });
        if outcome.is_err() {
            self.sweep.note(outcome);
        }
    }

    /// Answers when what policy has revoked until now is removed.
    pub(super) fn answer_when_swept(&mut self, answer: oneshot::Sender<Status>) {
        self.sweep();
        let readings = u8::from(self.sweep.state == State::Working)
            + u8::from(self.settled && self.writer.has_suspects());
        if readings > 0 {
            self.sweep.waiting.push((readings, answer));
        } else {
            // A client that went away needs no answer.
            let _ = answer.send(self.status());
        }
    }

    /// One more reading is done.
    fn tell(&mut self) {
        for (readings, answer) in std::mem::take(&mut self.sweep.waiting) {
            if readings > 1 {
                self.sweep.waiting.push((readings - 1, answer));
            } else {
                // As above.
                let _ = answer.send(self.status());
            }
        }
    }
}
