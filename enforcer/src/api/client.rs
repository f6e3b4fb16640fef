//! The other end of the socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use enforcer_flows::Query;
use serde::de::DeserializeOwned;

use super::flows::Line;
use super::recorded::{RecordedAnswer, ReplayRequest, SuggestRequest};
use super::{CutAnswer, Request, Status};
use crate::screen::Summary;
use crate::suggest;
use crate::trace::cut::Change;
use crate::trace::replay;

/// Why the daemon cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no daemon answers at {}: {source}; is `enforcer run` up, with the same --socket?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the daemon at {} stopped answering: {source}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The daemon refuses, or does not know what is asked.
    #[error("the daemon at {} refuses: {why}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The answer cannot be read.
    #[error("the daemon at {} answers in another language ({source}); use the same version", path.display())]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// The lines of the answer to a request.
pub fn ask(
    path: &Path,
    request: &Request,
) -> Result<impl Iterator<Item = Result<String, ClientError>> + use<>, ClientError> {
    let broken = |source| ClientError::Broken {
        path: path.to_owned(),
        source,
    };
    let mut stream = UnixStream::connect(path).map_err(|source| ClientError::Connect {
        path: path.to_owned(),
        source,
    })?;
    let mut line = serde_json::to_vec(request).map_err(|source| ClientError::Answer {
        path: path.to_owned(),
        source,
    })?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let owned = path.to_owned();
    Ok(BufReader::new(stream).lines().map(move |line| {
        line.map_err(|source| ClientError::Broken {
            path: owned.clone(),
            source,
        })
    }))
}

/// The records that a query means, and gaps between them.
pub fn flows(
    path: &Path,
    query: Query,
) -> Result<impl Iterator<Item = Result<Line, ClientError>> + use<>, ClientError> {
    let lines = ask(path, &Request::Flows(query.into()))?;
    let path = path.to_owned();
    Ok(lines.map(move |line| flow_line(&path, &line?)))
}

fn flow_line(path: &Path, line: &str) -> Result<Line, ClientError> {
    let path = || path.to_owned();
    match Line::read(line) {
        Ok(Line::Failed { error }) => Err(ClientError::Refused {
            path: path(),
            why: in_words(error),
        }),
        Ok(line) => Ok(line),
        Err(source) => Err(ClientError::Answer {
            path: path(),
            source,
        }),
    }
}

/// What a daemon of another version does not know it calls by the names of the protocol.
pub(crate) fn in_words(why: String) -> String {
    if why.starts_with("unknown ") {
        return format!("it is of another version ({why}); use the daemon's own binary");
    }
    why
}

/// The daemon's state.
pub fn status(path: &Path, refresh: bool) -> Result<Status, ClientError> {
    ask_once(path, &Request::Status { refresh })
}

/// What a change of manifests would cut.
pub fn cut(path: &Path, change: Change) -> Result<CutAnswer, ClientError> {
    ask_once(path, &Request::Cut(change))
}

/// Policies from the daemon's records.
///
/// # Errors
/// When the daemon does not answer, or cannot say.
pub fn suggest(path: &Path, request: SuggestRequest) -> Result<suggest::Written, ClientError> {
    ask_recorded(path, &Request::Suggest(request))
}

/// The daemon's records under other policies.
///
/// # Errors
/// When the daemon does not answer, or cannot say.
pub fn replay(path: &Path, request: ReplayRequest) -> Result<replay::Written, ClientError> {
    ask_recorded(path, &Request::Replay(request))
}

fn ask_recorded<T: DeserializeOwned>(path: &Path, request: &Request) -> Result<T, ClientError> {
    match ask_once(path, request)? {
        RecordedAnswer::Written(answer) => Ok(answer),
        RecordedAnswer::Failed { error } => Err(ClientError::Refused {
            path: path.to_owned(),
            why: in_words(error),
        }),
    }
}

/// The daemon's state in numbers.
///
/// # Errors
/// When the daemon does not answer.
pub fn summary(path: &Path) -> Result<Summary, ClientError> {
    ask_once(path, &Request::Summary)
}

/// The only line of the answer to a request, as it is.
pub fn line(path: &Path, request: &Request) -> Result<String, ClientError> {
    let mut lines = ask(path, request)?;
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    lines.next().unwrap_or_else(|| {
        Err(ClientError::Broken {
            path: path.to_owned(),
            source: ended(),
        })
    })
}

fn ask_once<T: DeserializeOwned>(path: &Path, request: &Request) -> Result<T, ClientError> {
    let line = line(path, request)?;
    serde_json::from_str(&line).map_err(|source| ClientError::Answer {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        flow_line(Path::new("/run/x"), line)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_daemon_that_does_not_know_filters_is_refusing() {
        let old = r#"{"error":"unknown field `version`, expected `follow` at line 1 column 29"}"#;
        let words = said(old);
        assert!(
            words.contains("/run/x refuses: it is of another version"),
            "{words}"
        );
    }

    #[test]
    fn a_record_of_another_version_is_another_language() {
        let words = said(r#"{"time":"2026-11-21T08:00:00Z","verdict":"denied"}"#);
        assert!(
            words.contains("another language") && words.contains("same version"),
            "{words}"
        );
        assert!(words.contains("missing field `sequence`"), "{words}");
    }
}
