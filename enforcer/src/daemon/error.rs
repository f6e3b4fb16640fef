//! Why the daemon cannot run.

use std::path::PathBuf;

use crate::api::tcp::TcpError;
use crate::cni::CniError;
use crate::datapath::maps::MapsError;
use crate::datapath::watch::WatchError;
use crate::datapath::writer::WriterError;
use crate::engines;
use crate::http::HttpError;
use crate::hubble::HubbleError;
use crate::source::kubernetes::{Ended, StartError};
use crate::source::manifests;

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Nothing to read.
    #[error("no manifests at {}: give --manifests a directory or file that exists", .0.display())]
    NoManifests(PathBuf),
    /// Another engine enforces policies here.
    #[error(transparent)]
    OtherEngine(#[from] engines::Refusal),
    /// Nobody knows whether another engine enforces policies here.
    #[error(transparent)]
    Probe(#[from] engines::probe::ProbeError),
    /// The kernel side cannot be set up.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The maps cannot be used.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// Changes of the manifests cannot be watched.
    #[error(transparent)]
    Manifests(#[from] manifests::WatchError),
    /// The cluster cannot be watched.
    #[error(transparent)]
    Kubernetes(#[from] StartError),
    /// The cluster is not watched any more.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Nobody said which node this is.
    #[error(
        "which node is this? Give --node NAME, or NODE_NAME in the environment, as in the name of its Node object"
    )]
    NoNode,
    /// The CNI plugin cannot be removed.
    #[error(transparent)]
    Cni(#[from] CniError),
    /// Changes of links cannot be watched.
    #[error(transparent)]
    Links(#[from] WatchError),
    /// Events cannot be read.
    #[error("cannot wait for flow events: {0}")]
    Events(std::io::Error),
    /// The socket cannot be made.
    #[error("cannot listen at {}: {source}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// HTTP cannot be served.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Clients cannot be answered over TCP.
    #[error(transparent)]
    Tcp(#[from] TcpError),
    /// Hubble's clients cannot be served.
    #[error(transparent)]
    Hubble(#[from] HubbleError),
    /// There is no thread for the export.
    #[error("cannot start the thread that exports records: {0}")]
    Export(#[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
}
