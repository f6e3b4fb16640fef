//! The other end of the socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{CutAnswer, Request, Status};
use crate::trace::cut::Change;

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

/// The daemon's state.
pub fn status(path: &Path, refresh: bool) -> Result<Status, ClientError> {
    ask_once(path, &Request::Status { refresh })
}

/// What a change of manifests would cut.
pub fn cut(path: &Path, change: Change) -> Result<CutAnswer, ClientError> {
    ask_once(path, &Request::Cut(change))
}

fn ask_once<T: DeserializeOwned>(path: &Path, request: &Request) -> Result<T, ClientError> {
    let mut lines = ask(path, request)?;
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let line = lines.next().unwrap_or_else(|| {
        Err(ClientError::Broken {
            path: path.to_owned(),
            source: ended(),
        })
    })?;
    serde_json::from_str(&line).map_err(|source| ClientError::Answer {
        path: path.to_owned(),
        source,
    })
}
