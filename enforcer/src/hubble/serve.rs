//! The servers.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use enforcer_hubble::{Listener, Node, Peers, Tls, serve};
use tokio::sync::{mpsc, watch};

use super::Options;
use super::source::Records;
use crate::api::server::Question;
use crate::background::Background;
use crate::flow::store::FlowStore;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum HubbleError {
    /// The address cannot be had.
    #[error(
        "cannot listen at {address} for Hubble's clients: {source}; give another --hubble-listen ADDR:PORT"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error(
        "cannot listen at {} for Hubble's clients: {source}; give another --hubble-socket PATH", path.display()
    )]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start the thread of Hubble's services: {0}")]
    Thread(#[source] io::Error),
}

/// The running servers; they end when dropped.
#[derive(Debug)]
pub struct Hubble {
    // Before the file.
    _serving: Background,
    _file: Option<File>,
}

/// The file of a socket.
#[derive(Debug)]
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        // Gone already is fine too.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the daemon gives to the servers.
pub struct Known {
    /// The name of its node.
    pub node: String,
    /// Its records.
    pub flows: FlowStore,
    /// Where the observers of nodes are.
    pub peers: watch::Receiver<Peers>,
    /// What it answers.
    pub questions: mpsc::Sender<Question>,
}

/// Serves where the operator wants it; `None` if that is nowhere.
///
/// # Errors
/// When the address or the socket cannot be had. That certificates cannot be used is only logged: they may
/// come, and policies hold without them.
pub fn start(options: Options, known: Known) -> Result<Option<Hubble>, HubbleError> {
    let tcp = options.listen.map(bind).transpose()?;
    let unix = options.socket.as_deref().map(socket).transpose()?;
    if tcp.is_none() && unix.is_none() {
        return Ok(None);
    }
    let tls = options.tls.map(|files| Arc::new(Tls::new(files)));
    if let Some(listen) = options.listen {
        announce(listen, tls.is_some());
    }
    let node = Node {
        cluster: options.cluster,
        name: known.node,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tls: tls.is_some(),
    };
    let source = Arc::new(Records {
        flows: known.flows,
        peers: known.peers,
        questions: known.questions,
        begin: Instant::now(),
    });
    let serving = async move {
        let on = |listener: io::Result<Listener>, tls: Option<Arc<Tls>>| {
            run(listener, tls, source.clone(), node.clone())
        };
        let tcp = tcp.map(|tcp| tokio::net::TcpListener::from_std(tcp).map(Listener::Tcp));
        let unix = unix.map(|unix| tokio::net::UnixListener::from_std(unix).map(Listener::Unix));
        let tcp = tcp.map(|tcp| on(tcp, tls));
        let unix = unix.map(|unix| on(unix, None));
        tokio::join!(maybe(tcp), maybe(unix));
    };
    let file = options.socket.map(File);
    Ok(Some(Hubble {
        _serving: Background::start("hubble", serving).map_err(HubbleError::Thread)?,
        _file: file,
    }))
}

async fn maybe(served: Option<impl Future<Output = ()>>) {
    if let Some(served) = served {
        served.await;
    }
}

async fn run(
    listener: io::Result<Listener>,
    tls: Option<Arc<Tls>>,
    source: Arc<Records>,
    node: Node,
) {
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve Hubble's clients"),
    };
    let options = enforcer_hubble::Options { node, tls };
    if let Err(error) = serve(options, source, listener, std::future::pending()).await {
        tracing::error!(%error, "Hubble's clients are no longer served");
    }
}

fn bind(address: SocketAddr) -> Result<std::net::TcpListener, HubbleError> {
    let listen = |source| HubbleError::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    Ok(listener)
}

fn socket(path: &Path) -> Result<std::os::unix::net::UnixListener, HubbleError> {
    enforcer_hubble::server::unix(path).map_err(|source| HubbleError::Socket {
        path: path.to_owned(),
        source,
    })
}

fn announce(listen: SocketAddr, tls: bool) {
    tracing::info!(address = %listen, tls, "Hubble's clients are served");
    if !tls && !listen.ip().is_loopback() {
        tracing::warn!(
            address = %listen,
            "whoever reaches this address is shown all flows of the node: give --hubble-tls-cert, \
             --hubble-tls-key and --hubble-tls-client-ca, or listen at 127.0.0.1"
        );
    }
}
