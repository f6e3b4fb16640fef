//! Whether this daemon is being stopped for good.

use tokio::sync::watch;

use super::Daemon;
use crate::kubernetes::daemonset;

impl Daemon {
    /// Begins to follow the `DaemonSet` that the daemon belongs to, where one was named.
    pub(super) async fn follow_daemonset(&self) -> Option<watch::Receiver<bool>> {
        let name = self.options.daemonset.as_ref()?;
        match self.client().await?.0 {
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
