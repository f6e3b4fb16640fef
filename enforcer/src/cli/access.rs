//! Which cluster a verb is about.

use std::path::PathBuf;

use clap::Args;

use crate::kubernetes::client::Access;

/// Which cluster: as kubectl takes it.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    /// A kubeconfig file. Without it the files that KUBECONFIG names, ~/.kube/config, or the service account of
    /// the pod that this runs in.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig, instead of the current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl AccessArgs {
    /// Where the API server and the credentials are.
    pub(super) fn access(&self) -> Access {
        Access::User {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        }
    }
}
