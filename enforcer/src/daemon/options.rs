//! What the operator chose.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use enforcer_flows::Limits;

use crate::cni::Installation;
use crate::datapath::writer;
use crate::export;
use crate::hubble;
use crate::kubernetes::client::Access;
use crate::kubernetes::daemonset::Name;

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where objects come from.
    pub source: Origin,
    /// The node's name; `None` makes every pod with a link here an endpoint.
    pub node: Option<String>,
    /// Directory of network namespaces.
    pub netns_dir: PathBuf,
    /// Path of the socket.
    pub socket: PathBuf,
    /// Start although another policy engine is at work on this node.
    pub alongside: bool,
    /// Detach everything and remove all pins at the end.
    pub cleanup: bool,
    /// The `DaemonSet` that this daemon belongs to: when it is deleted, `cleanup` is meant.
    pub daemonset: Option<Name>,
    /// The CNI plugin, where it is to be kept installed.
    pub cni: Option<Installation>,
    /// The kernel side.
    pub datapath: writer::Options,
    /// How often the kernel's maps are compared with what was written to them, if they are.
    pub read_back: Option<Duration>,
    /// How many flow records are kept.
    pub flows: Limits,
    /// How many policies have metrics of their own.
    pub metrics_policies: usize,
    /// Where HTTP is served, if it is.
    pub listen: Option<SocketAddr>,
    /// Where clients are answered over TCP, if they are: an address of loopback.
    pub api_listen: Option<SocketAddr>,
    /// Which records are written for collectors of logs, if any.
    pub export: Option<export::Options>,
    /// What Hubble's clients are served.
    pub hubble: hubble::Options,
    /// What the API server is told.
    pub reports: Reports,
}

/// What the API server is told, where objects come from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    /// `PolicyEnforcement` objects.
    pub objects: bool,
    /// Events.
    pub events: bool,
}

/// Where objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a directory (or file) of manifests.
    Manifests(PathBuf),
    /// From an API server. The node must have a name then.
    Kubernetes(Access),
}
