//! Connections to the API server beside that of the source.

use kube::Client;

use super::{Daemon, Origin};
use crate::kubernetes::client::{ConnectError, connect};

impl Daemon {
    /// A client of the API server that objects come from, and the name of this node. A connection of
    /// its own: nothing that goes over it stands in the way of watches. `None` where objects come from
    /// files.
    pub(super) async fn client(&self) -> Option<(Result<Client, ConnectError>, &str)> {
        let (Origin::Kubernetes(access), Some(node)) = (&self.options.source, &self.options.node)
        else {
            return None;
        };
        Some((connect(access, node).await, node))
    }
}
