//! Whether this daemon is being stopped for good.

use tokio::sync::watch;

use super::{Daemon, Origin};
use crate::kubernetes::client::connect;
use crate::kubernetes::daemonset;

impl Daemon {
    /// Begins to follow the `DaemonSet` that the daemon belongs to, where one was named.
    pub(super) async fn follow_daemonset(&self) -> Option<watch::Receiver<bool>> {
        let options = &self.options;
        let (Origin::Kubernetes(access), Some(node), Some(name)) =
            (&options.source, &options.node, &options.daemonset)
        else {
            return None;
        };
        match connect(access, node).await {
            Ok(client) => Some(daemonset::follow(client, name.clone())),
            Err(error) => {
                tracing::error!(
                    daemonset = %name, %error,
                    "cannot follow the own DaemonSet; if it is deleted, what is attached stays in force"
                );
                None
            }
        }
    }
}
