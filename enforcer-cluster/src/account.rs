//! Service accounts as programs in the cluster use them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::kubeconfig::{self, Proof};
use crate::{ClusterError, ControlPlane};

/// A service account's kubeconfig, with its token in a file of its own.
#[derive(Debug)]
pub struct Account {
    kubeconfig: PathBuf,
    token: PathBuf,
}

impl Account {
    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The file that holds the token.
    pub fn token_file(&self) -> &Path {
        &self.token
    }

    /// Exchanges the token, at once and as a whole, as the kubelet does.
    pub fn put_token(&self, token: &str) -> Result<(), ClusterError> {
        let new = self.token.with_extension("new");
        fs::write(&new, token).map_err(ClusterError::file(&new))?;
        fs::rename(&new, &self.token).map_err(ClusterError::file(&self.token))
    }
}

impl ControlPlane {
    /// A token for a service account from the API server, which gives none for less than ten
    /// minutes.
    pub fn token(
        &self,
        namespace: &str,
        name: &str,
        lifetime: Duration,
    ) -> Result<String, ClusterError> {
        let lifetime = format!("{}s", lifetime.as_secs());
        let words = [
            "create",
            "token",
            name,
            "-n",
            namespace,
            "--duration",
            &lifetime,
        ];
        Ok(self.kubectl(&words)?.trim().to_owned())
    }

    /// A token that is bound to a node, like those of the pods that run there.
    pub fn token_on_node(
        &self,
        namespace: &str,
        name: &str,
        node: &str,
    ) -> Result<String, ClusterError> {
        let words = [
            "create",
            "token",
            name,
            "-n",
            namespace,
            "--bound-object-kind",
            "Node",
            "--bound-object-name",
            node,
        ];
        Ok(self.kubectl(&words)?.trim().to_owned())
    }

    /// A kubeconfig with a token of [`ControlPlane::token`], for the API server at `server` (its own address:
    /// [`ControlPlane::url`]).
    pub fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        lifetime: Duration,
        server: &str,
    ) -> Result<Account, ClusterError> {
        let base = self.unique(&format!("{namespace}-{name}"));
        let token = base.with_extension("token");
        let path = base.with_extension("kubeconfig");
        let authority = self.authority();
        let account = Account {
            kubeconfig: kubeconfig::write(path, server, authority, Proof::File(&token))?,
            token,
        };
        account.put_token(&self.token(namespace, name, lifetime)?)?;
        Ok(account)
    }
}
