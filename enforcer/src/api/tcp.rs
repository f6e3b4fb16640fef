//! What only reads, over TCP on loopback: for port-forwarding by the Kubernetes API.
//!
//! Every process in the node's network namespace could connect, so the other end must be a socket of
//! root's, as that of a container runtime that forwards a port is. docs/flows.md says what this is good
//! for and what not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::server::{self, Question, refuse};
use super::{Request, flows, peer};

/// Longest request that is read, in bytes: filters.
const LONGEST_REQUEST: u64 = 64 << 10;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait where no connection can be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Only root may use the socket, so only root may come this way.
const ROOT: u32 = 0;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum TcpError {
    /// Others than this node could connect.
    #[error("{0} is no loopback address: give --api-listen 127.0.0.1:PORT or [::1]:PORT")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen at {address}: {source}; give another --api-listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// How many connections were refused because their other end was not root's.
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<AtomicU64>);

impl Refused {
    /// How many.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves at a loopback address, on tasks of the running runtime.
///
/// # Errors
/// When the address is none of loopback, or cannot be had.
pub fn listen(
    address: SocketAddr,
    questions: mpsc::Sender<Question>,
    refused: Refused,
) -> Result<SocketAddr, TcpError> {
    if !address.ip().is_loopback() {
        return Err(TcpError::NotLoopback(address));
    }
    let failed = |source| TcpError::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(accept(listener, questions, refused));
    Ok(address)
}

async fn accept(listener: TcpListener, questions: mpsc::Sender<Question>, refused: Refused) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(serve(stream, peer, questions.clone(), refused.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    questions: mpsc::Sender<Question>,
    refused: Refused,
) {
    let stranger = stranger(&stream, peer);
    let (reading, mut writing) = stream.split();
    let mut reader = BufReader::new(reading.take(LONGEST_REQUEST));
    let mut line = String::new();
    // Of a stranger too, who would not get the answer otherwise.
    let said = timeout(PATIENCE, reader.read_line(&mut line)).await;
    let served = match (stranger, said) {
        (Some(why), _) => {
            refused.0.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%peer, why, "a client was refused");
            refuse(&mut writing, &why).await
        }
        (None, Ok(Ok(_))) => answer(&line, &mut reader, &mut writing, &questions).await,
        (None, Ok(Err(error))) => Err(error),
        (None, Err(_)) => refuse(&mut writing, "no request came").await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a client went away");
    }
}

/// Why a client is not answered, if it is not.
fn stranger(stream: &TcpStream, peer: SocketAddr) -> Option<String> {
    let owner = stream
        .local_addr()
        .and_then(|local| peer::owner(local, peer));
    match owner {
        Ok(Some(ROOT)) => None,
        Ok(Some(user)) => Some(format!(
            "this port answers root alone, as /run/enforcer does, and you are user {user}; come by \
             `kubectl port-forward` or `--cluster`, which Kubernetes' RBAC decides about"
        )),
        Ok(None) => Some("this port answers processes of its own node alone".to_owned()),
        Err(error) => Some(format!(
            "the kernel does not tell whose connection this is ({error}); it needs tcp_diag (INET_DIAG)"
        )),
    }
}

async fn answer(
    line: &str,
    reader: &mut (impl AsyncRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
) -> io::Result<()> {
    match serde_json::from_str(line) {
        Ok(Request::Status { refresh: false }) => server::status(writing, questions, false).await,
        Ok(Request::Summary) => server::summary(writing, questions).await,
        Ok(Request::Flows(request)) => flows::serve(reader, writing, questions, request).await,
        Ok(_) => {
            let why = "over TCP the daemon answers what only reads: status and flows";
            refuse(writing, why).await
        }
        Err(error) => refuse(writing, &error.to_string()).await,
    }
}
