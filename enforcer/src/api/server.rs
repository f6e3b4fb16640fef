//! Serving the socket.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::holds::{self, HoldQuestion};
use super::recorded::{ReplayAnswer, ReplayRequest, SuggestAnswer, SuggestRequest};
use super::{CutAnswer, OverviewAnswer, Request, Status, TraceAnswer, flows};
use crate::flow::store::FlowStore;
use crate::http::health::Health;
use crate::http::numbers::Numbers;
use crate::report::observed::Observed;
use crate::screen::Summary;
use crate::trace::{self, cut::Change};

/// Longest request that is read, in bytes. It may hold a cluster's manifests.
const LONGEST_REQUEST: u64 = 256 << 20;

/// A question to the daemon's loop.
pub enum Question {
    /// See [`Request::Status`].
    Status {
        /// See [`Request::Status`].
        refresh: bool,
        /// Where the answer goes.
        answer: oneshot::Sender<Status>,
    },
    /// Where records are kept.
    Flows {
        /// Where the answer goes.
        answer: oneshot::Sender<FlowStore>,
    },
    /// See [`Request::Cut`].
    Cut {
        /// See [`Request::Cut`].
        change: Change,
        /// Where the answer goes.
        answer: oneshot::Sender<CutAnswer>,
    },
    /// See [`Request::Overview`].
    Overview {
        /// See [`Request::Overview`].
        known: Option<u64>,
        /// Where the answer goes.
        answer: oneshot::Sender<OverviewAnswer>,
    },
    /// See [`Request::Trace`].
    Trace {
        /// What is asked.
        question: trace::Question,
        /// Where the answer goes.
        answer: oneshot::Sender<TraceAnswer>,
    },
    /// See [`Request::Suggest`].
    Suggest {
        /// What is asked.
        request: SuggestRequest,
        /// Where the answer goes.
        answer: oneshot::Sender<SuggestAnswer>,
    },
    /// See [`Request::Replay`].
    Replay {
        /// What is asked.
        request: ReplayRequest,
        /// Where the answer goes.
        answer: oneshot::Sender<ReplayAnswer>,
    },
    /// What this node makes of the policies that select its pods.
    Enforcement {
        /// Where the answer goes.
        answer: oneshot::Sender<Observed>,
    },
    /// The names of the cluster's nodes.
    Nodes {
        /// Where the answer goes.
        answer: oneshot::Sender<BTreeSet<String>>,
    },
    /// The names of the cluster's namespaces.
    Namespaces {
        /// Where the answer goes.
        answer: oneshot::Sender<BTreeSet<String>>,
    },
    /// Whether all is well, in short.
    Health {
        /// Where the answer goes.
        answer: oneshot::Sender<Health>,
    },
    /// The daemon's numbers.
    Numbers {
        /// Where the answer goes.
        answer: oneshot::Sender<Numbers>,
    },
    /// Of the CNI plugin.
    Hold(HoldQuestion),
}

/// The socket; removed when dropped, unless it is left.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Leaves the file: a sign to the CNI plugin that another daemon is to come.
    pub fn leave(mut self) {
        self.path.clear();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone already is fine too.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens at `path`, for root alone, and sends what clients ask to `questions`. A socket that an
/// earlier daemon left behind is replaced; one that a daemon listens at is an error.
pub fn listen(path: &Path, questions: mpsc::Sender<Question>) -> io::Result<Socket> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another daemon listens there",
        ));
    }
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(accept(listener, questions));
    Ok(Socket {
        path: path.to_owned(),
    })
}

async fn accept(listener: UnixListener, questions: mpsc::Sender<Question>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, questions.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, questions: mpsc::Sender<Question>) {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reading.take(LONGEST_REQUEST));
    if reader.read_line(&mut line).await.is_err() {
        return;
    }
    let served = match serde_json::from_str(&line) {
        Ok(Request::Status { refresh }) => status(&mut writing, &questions, refresh).await,
        Ok(Request::Summary) => summary(&mut writing, &questions).await,
        Ok(Request::Flows(request)) => {
            flows::serve(&mut reader, &mut writing, &questions, request).await
        }
        Ok(Request::Cut(change)) => {
            answer(&mut writing, &questions, |answer| Question::Cut {
                change,
                answer,
            })
            .await
        }
        Ok(Request::Overview { known }) => {
            answer(&mut writing, &questions, |answer| Question::Overview {
                known,
                answer,
            })
            .await
        }
        Ok(Request::Trace(question)) => {
            answer(&mut writing, &questions, |answer| Question::Trace {
                question,
                answer,
            })
            .await
        }
        Ok(Request::Suggest(request)) => {
            answer(&mut writing, &questions, |answer| Question::Suggest {
                request,
                answer,
            })
            .await
        }
        Ok(Request::Replay(request)) => {
            answer(&mut writing, &questions, |answer| Question::Replay {
                request,
                answer,
            })
            .await
        }
        Ok(Request::Hold(one)) => holds::hold(&mut writing, &questions, one).await,
        Ok(Request::Release(one)) => holds::release(&mut writing, &questions, one).await,
        Ok(Request::Retain(one)) => holds::retain(&mut writing, &questions, one).await,
        Err(error) => refuse(&mut writing, &error.to_string()).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a client went away");
    }
}

pub(super) async fn status(
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
    refresh: bool,
) -> io::Result<()> {
    let question = |answer| Question::Status { refresh, answer };
    answer(writing, questions, question).await
}

pub(super) async fn summary(
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
) -> io::Result<()> {
    let refresh = false;
    let (answer, status) = oneshot::channel();
    let _ = questions.send(Question::Status { refresh, answer }).await;
    match status.await {
        Ok(status) => send(writing, &Summary::of(&status)).await,
        Err(_) => Ok(()),
    }
}

/// Sends on what the daemon's loop answers.
async fn answer<T: serde::Serialize>(
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> io::Result<()> {
    let (answer, answered) = oneshot::channel();
    // An error means that the daemon is stopping; the client sees the end of the stream.
    let _ = questions.send(question(answer)).await;
    match answered.await {
        Ok(answer) => send(writing, &answer).await,
        Err(_) => Ok(()),
    }
}

/// Answers a request that is not understood, or not allowed.
pub(super) async fn refuse(writing: &mut (impl AsyncWrite + Unpin), why: &str) -> io::Result<()> {
    send(writing, &serde_json::json!({ "error": why })).await
}

pub(super) async fn send(
    writing: &mut (impl AsyncWrite + Unpin),
    value: &impl serde::Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    writing.write_all(&line).await
}
