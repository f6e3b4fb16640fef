//! Asking the daemon.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{Held, Hold, Request};

/// How long to wait before a daemon that is starting anew is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// What the daemon has less than the plugin, so that its reason arrives before the plugin gives up.
const HEAD_START: Duration = Duration::from_millis(50);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{0} does not exist: no daemon runs on this node")]
    NoSocket(String),
    #[error("no answer from the daemon at {0} in time: {1}")]
    Broken(String, #[source] io::Error),
    #[error("the daemon answers in another language: {0}")]
    Language(String),
}

/// Asks until there is an answer or no time is left. A daemon that goes away while it is asked, or
/// that left its socket behind, is being exchanged; where there is no socket at all, nobody comes.
pub(crate) fn hold(socket: &Path, mut hold: Hold, end: Instant) -> Result<Held, AskError> {
    let mut was_there = false;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let wait = left.saturating_sub(HEAD_START).as_millis();
        hold.wait = u64::try_from(wait).unwrap_or(u64::MAX);
        let error = match ask(socket, &Request::Hold(hold.clone()), left) {
            Ok(line) => return read(&line),
            Err(error) => error,
        };
        let gone = error.kind() == ErrorKind::NotFound;
        if gone && !was_there {
            return Err(AskError::NoSocket(socket.display().to_string()));
        }
        was_there = true;
        if Instant::now() + PAUSE >= end {
            return Err(AskError::Broken(socket.display().to_string(), error));
        }
        thread::sleep(PAUSE);
    }
}

fn read(line: &str) -> Result<Held, AskError> {
    serde_json::from_str(line).map_err(|_| AskError::Language(line.trim().to_owned()))
}

/// One question, one line of an answer.
pub(crate) fn ask(socket: &Path, request: &Request, patience: Duration) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    // Zero would mean "for ever".
    let patience = patience.max(Duration::from_millis(1));
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    if BufReader::new(stream).read_line(&mut answer)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
