//! The options of verbs that can ask all daemons of a cluster.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use clap::Args;

use super::access::AccessArgs;
use crate::fleet::NAMESPACE;
use crate::fleet::status::Fleet;
use crate::kubernetes::client::connect_patiently;

/// The exit code where some nodes are not as they should be.
pub(super) const SOME: u8 = 1;

/// Where the cluster is, and how to ask it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Ask the daemons of all nodes, through the Kubernetes API's port-forward, instead of this node's.
    #[arg(long, conflicts_with = "socket")]
    pub(super) cluster: bool,
    #[command(flatten)]
    access: AccessArgs,
    /// The namespace of the daemons.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE, requires = "cluster")]
    enforcer_namespace: String,
    /// How many nodes are connected to at a time.
    #[arg(long, value_name = "N", default_value = "32", requires = "cluster")]
    parallel: NonZeroUsize,
}

impl ClusterArgs {
    pub(super) async fn fleet(&self) -> anyhow::Result<Fleet> {
        let client = connect_patiently(&self.access.access(), "command line").await?;
        Ok(Fleet {
            client,
            namespace: self.enforcer_namespace.clone(),
            parallel: self.parallel,
        })
    }

    /// Runs what waits for the network.
    pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no async runtime")?;
        runtime.block_on(work)
    }
}
