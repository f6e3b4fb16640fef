//! What a container has written.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{ChildStderr, ChildStdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::sync::watch;

/// Everything so far, by whole lines, and whether more may come.
#[derive(Debug)]
pub(crate) struct Output {
    lines: Mutex<Vec<Bytes>>,
    /// How many lines there are.
    count: watch::Sender<usize>,
}

impl Output {
    /// Reads both streams, on threads that end with the process.
    pub(super) fn of(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Arc<Self> {
        let output = Arc::new(Self {
            lines: Mutex::default(),
            count: watch::Sender::new(0),
        });
        if let Some(stream) = stdout {
            Self::read(&output, stream);
        }
        if let Some(stream) = stderr {
            Self::read(&output, stream);
        }
        output
    }

    fn read(output: &Arc<Self>, stream: impl Read + Send + 'static) {
        let output = Arc::clone(output);
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                output.push(std::mem::take(&mut line).into());
            }
        });
    }

    fn push(&self, line: Bytes) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        self.count.send_replace(lines.len());
    }

    /// The lines from this one on, in one piece, and which would be the next.
    pub(in crate::kubelet) fn since(&self, first: usize) -> (Bytes, usize) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let new = lines.get(first..).unwrap_or_default().concat();
        (new.into(), lines.len())
    }

    /// How many lines there are, to be waited for.
    pub(in crate::kubelet) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}
