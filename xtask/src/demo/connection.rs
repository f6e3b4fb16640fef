//! A long-lived connection that exchanges a counter, to see when exactly it is cut.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::pods::Pod;
use super::probe;

/// How often the counter goes to the server and back.
pub(super) const PERIOD: Duration = Duration::from_millis(20);
/// After this long without an answer the connection counts as cut. TCP has sent its data again
/// several times by then.
pub(super) const SILENCE: Duration = Duration::from_millis(1200);

/// The answers so far.
#[derive(Clone, Copy)]
pub(super) struct Answers {
    pub(super) count: u64,
    pub(super) last: Instant,
}

/// An open connection.
pub(super) struct Connection {
    answers: Arc<Mutex<Answers>>,
}

impl Connection {
    /// Connects and starts to count.
    pub(super) fn open(from: &Pod, to: &Pod) -> Result<Self> {
        let stream = probe::connect(from, to)?
            .with_context(|| format!("connecting {} to {}", from.name, to.service()))?;
        stream.set_nodelay(true)?;
        let answers = Arc::new(Mutex::new(Answers {
            count: 0,
            last: Instant::now(),
        }));
        let connection = Self {
            answers: Arc::clone(&answers),
        };
        thread::spawn(move || count(stream, &answers));
        Ok(connection)
    }

    /// The answers so far.
    pub(super) fn answers(&self) -> Answers {
        *lock(&self.answers)
    }
}

fn count(mut stream: TcpStream, answers: &Mutex<Answers>) {
    for counter in 0_u64.. {
        let mut answer = [0; 8];
        let sent = stream.write_all(&counter.to_be_bytes());
        if sent.and_then(|()| stream.read_exact(&mut answer)).is_err() {
            return;
        }
        *lock(answers) = Answers {
            count: u64::from_be_bytes(answer) + 1,
            last: Instant::now(),
        };
        thread::sleep(PERIOD);
    }
}

/// The value is always whole, whatever happened to the thread that wrote it.
fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}
