//! What the programs tell, as a stream: events from the ring buffer at once, and each second what they
//! counted of denials that were no events.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use enforcer_common::abi::EventKind;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;

use crate::datapath::denials::{Alike, Denials, Unrecorded};
use crate::datapath::maps::{self, MapsError};

/// Most events in a batch, so that a storm of them delays the daemon's other work only shortly.
const BATCH: usize = 256;

/// Batches that may wait for the daemon. When it is behind, the ring buffer fills, and the programs
/// count what they could not report.
const WAITING: usize = 4;

/// Events that come sooner than this after others wait until it is over. Reading wakes two threads,
/// which takes longer than ten events: a single one is read at once, and many together.
const REST: Duration = Duration::from_millis(20);

/// How often denials that were counted are read.
const EVERY: Duration = Duration::from_secs(1);

/// How long they are read after the last news of a denial. The next denial after a pause of more than a
/// second is an event, so that nothing can be counted that nobody reads.
const LONGER: Duration = Duration::from_secs(4);

/// What becomes of reading when it fails.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("waiting for the ring buffer: {0}")]
    Wait(#[from] Errno),
    #[error(transparent)]
    Maps(#[from] MapsError),
}

/// What is read.
pub struct Stream {
    /// Events, and counted denials. Batches come in the order in which they were read.
    pub batches: mpsc::Receiver<Vec<Alike>>,
    /// How many denials have no record.
    pub unrecorded: Arc<Mutex<Unrecorded>>,
}

/// Reads on a thread of its own.
pub fn start(ring: RingBuf<MapData>, denials: Denials) -> io::Result<Stream> {
    let (sender, batches) = mpsc::channel(WAITING);
    let unrecorded = Arc::default();
    let reader = Reader {
        ring,
        denials,
        sender,
        unrecorded: Arc::clone(&unrecorded),
    };
    thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || {
            if let Err(error) = reader.read() {
                tracing::error!(%error, "flow events cannot be read any more");
            }
        })?;
    Ok(Stream {
        batches,
        unrecorded,
    })
}

struct Reader {
    ring: RingBuf<MapData>,
    denials: Denials,
    sender: mpsc::Sender<Vec<Alike>>,
    unrecorded: Arc<Mutex<Unrecorded>>,
}

impl Reader {
    /// Returns when nobody listens any more.
    ///
    /// The kernel wakes the reader for an event that finds everything before it read, and for no other:
    /// as long as the reader rests, an event costs its place in the ring and nothing else.
    fn read(mut self) -> Result<(), ReadError> {
        let mut rested = Instant::now();
        let mut counted = Counted::default();
        loop {
            let batch = self.events();
            let idle = batch.is_empty();
            // A full batch may be of a full ring, for which denials were counted.
            if batch.len() == BATCH || batch.iter().any(is_denial) {
                counted.go_on();
            }
            if !self.send(batch) {
                return Ok(());
            }
            if counted.is_due() {
                let told = self.denials.sweep()?;
                *self
                    .unrecorded
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = self.denials.unrecorded().clone();
                if !told.is_empty() {
                    counted.go_on();
                }
                counted.rest();
                if !told.chunks(BATCH).all(|part| self.send(part.to_vec())) {
                    return Ok(());
                }
            } else if idle {
                self.wait(counted.next)?;
                thread::sleep(rested.saturating_duration_since(Instant::now()));
                rested = Instant::now() + REST;
            }
        }
    }

    fn events(&mut self) -> Vec<Alike> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(record) = self.ring.next()
        {
            batch.extend(maps::event(&record).map(|event| Alike { event, count: 1 }));
        }
        batch
    }

    /// Whether somebody listens.
    fn send(&self, batch: Vec<Alike>) -> bool {
        batch.is_empty() || self.sender.blocking_send(batch).is_ok()
    }

    /// Until there is an event, or until then.
    fn wait(&self, until: Option<Instant>) -> Result<(), Errno> {
        let mut waiting = [PollFd::new(self.ring.as_fd(), PollFlags::POLLIN)];
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up, so that it is over then.
            let left = left.as_millis() + 1;
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut waiting, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_denial(one: &Alike) -> bool {
    one.event.kind != EventKind::Allowed as u8
}

/// When what was counted is read.
#[derive(Default)]
struct Counted {
    /// The next time, if there is anything to read.
    next: Option<Instant>,
    /// The last news of a denial.
    news: Option<Instant>,
}

impl Counted {
    fn go_on(&mut self) {
        let now = Instant::now();
        self.news = Some(now);
        self.next.get_or_insert(now + EVERY);
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| Instant::now() >= next)
    }

    fn rest(&mut self) {
        let now = Instant::now();
        let goes_on = self.news.is_some_and(|news| now < news + LONGER);
        self.next = goes_on.then_some(now + EVERY);
    }
}
