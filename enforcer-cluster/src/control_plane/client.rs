//! The administrator's ways to the API server.

use std::path::PathBuf;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::{ADMIN, ControlPlane};
use crate::ClusterError;
use crate::kubeconfig::{self, Proof};

impl ControlPlane {
    /// A client as the administrator, for the runtime that this is called in.
    pub async fn client(&self) -> Result<kube::Client, ClusterError> {
        self.client_at(&self.url()).await
    }

    /// The same by way of a [`crate::FaultProxy`].
    pub async fn client_at(&self, url: &str) -> Result<kube::Client, ClusterError> {
        let path = self.kubeconfig_at(url)?;
        let file = Kubeconfig::read_from(path).map_err(ClusterError::client)?;
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(ClusterError::client)?;
        // A test wants to see what the server says, not what it says after a while.
        config.default_retry = false;
        kube::Client::try_from(config).map_err(ClusterError::client)
    }

    /// A kubeconfig of the administrator's by way of a [`crate::FaultProxy`].
    pub fn kubeconfig_at(&self, url: &str) -> Result<PathBuf, ClusterError> {
        let path = self.unique("admin").with_extension("kubeconfig");
        kubeconfig::write(path, url, self.authority(), Proof::Token(ADMIN))
    }
}
