//! What the operator chose.

use std::net::SocketAddr;
use std::path::PathBuf;

use enforcer_hubble::tls::Files;

/// What the operator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where clients and relay connect, if they do.
    pub listen: Option<SocketAddr>,
    /// The socket of clients on this node, if there is one.
    pub socket: Option<PathBuf>,
    /// The certificates at `listen`; plain without them.
    pub tls: Option<Files>,
    /// The name of the cluster.
    pub cluster: String,
}
