//! Why daemons cannot be asked.

use std::io;
use std::time::Duration;

use crate::kubernetes::client::ConnectError;
use crate::source::kubernetes::ListError;

/// Why no daemon, or a single one, cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Where the API server is, nobody says.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster cannot be read.
    #[error("cannot list {what}: {source}{}", right(source, verb_list(what)))]
    List {
        /// What.
        what: &'static str,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The objects of the cluster cannot be read.
    #[error("{0}; or give --manifests")]
    Objects(#[from] ListError),
    /// Nothing is there.
    #[error(
        "no daemon in the namespace {0}, and no DaemonSet enforcer: install it (deploy/README.md), or give \
         --enforcer-namespace"
    )]
    Nothing(String),
    /// No port-forward.
    #[error(
        "port-forward refused: {source}{}",
        right(source, "create (and get) pods/portforward")
    )]
    Forward {
        /// Why.
        source: Box<kube::Error>,
    },
    /// The pod's side of the port-forward does not work.
    #[error("port-forward: {0}; does the daemon serve its API there (api.enabled of the chart)?")]
    Port(String),
    /// It takes too long.
    #[error("no answer within {} seconds", .0.as_secs())]
    Slow(Duration),
    /// Nothing came.
    #[error(
        "the connection ended without an answer: nobody listens in the pod, or the daemon is stopping"
    )]
    Ended,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The daemon does not want to.
    #[error("the daemon refuses: {0}")]
    Refused(String),
    /// Its answer cannot be read.
    #[error("the daemon answers in another language ({0}); use the same version")]
    Answer(#[from] serde_json::Error),
}

const fn verb_list(what: &str) -> &'static str {
    match what.as_bytes() {
        b"Nodes" => "list nodes",
        _ => "list pods",
    }
}

/// Which right is missing, when it is that.
fn right(error: &kube::Error, right: &str) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => format!(
            "; you need the right to {right}, which the Role and ClusterRole enforcer-observer give \
             (deploy/README.md)"
        ),
        _ => String::new(),
    }
}
