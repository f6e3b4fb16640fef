//! How a side waits for the other one.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::SockRef;

/// After this time nothing will come any more: the slowest of rulesets needs milliseconds, a lost SYN
/// a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often one that sleeps looks whether it is to end.
const TURN: Duration = Duration::from_millis(20);

/// Attempts between two looks at the clock.
const STRIDE: u32 = 4096;

/// How a side waits for the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Both have a processor of their own and ask again and again: nobody is woken, which would cost
    /// more than the path.
    Asking,
    /// Both share a processor, and who waits leaves it to the other.
    Sleeping,
}

impl Waiting {
    /// Prepares a socket for that.
    pub(super) fn prepare(self, socket: &impl AsFd) -> Result<()> {
        let socket = SockRef::from(socket);
        let prepared = match self {
            Self::Asking => socket.set_nonblocking(true),
            Self::Sleeping => socket.set_read_timeout(Some(TURN)),
        };
        prepared.context("preparing a socket")
    }

    /// What comes, which is an error when nothing does for a long time.
    pub(super) fn until<T>(self, receive: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let begin = Instant::now();
        self.attempts(receive, || begin.elapsed() > PATIENCE)?
            .ok_or_else(|| ErrorKind::TimedOut.into())
    }

    /// What comes; `None` when the side is to end.
    pub(super) fn unless<T>(
        self,
        ended: &AtomicBool,
        receive: impl FnMut() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        self.attempts(receive, || ended.load(Ordering::Relaxed))
    }

    fn attempts<T>(
        self,
        mut receive: impl FnMut() -> io::Result<T>,
        mut enough: impl FnMut() -> bool,
    ) -> io::Result<Option<T>> {
        let stride = if self == Self::Asking { STRIDE } else { 1 };
        loop {
            for _ in 0..stride {
                match receive() {
                    Err(error) if is_early(&error) => {}
                    received => return received.map(Some),
                }
            }
            if enough() {
                return Ok(None);
            }
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
