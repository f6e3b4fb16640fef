//! The kernel's side: where the writes of the compiler go.

mod links;
mod maps;
mod usage;

pub(super) use links::NodeSide;
pub(super) use maps::MapsSide;
pub(super) use usage::{MapUsage, map_usage};

use std::path::PathBuf;

use enforcer_policy::model::{Change, Cluster};
use enforcer_policy::tables::{Op, Tables};

/// Where writes go.
pub(super) trait Side {
    /// The kernel's own part of what is about to happen: the link of a pod that starts. Nobody
    /// measures it.
    fn before(&mut self, changes: &[Change]) -> anyhow::Result<()>;

    /// Does the writes that follow from changes, as the daemon does them.
    fn write(&mut self, ops: &[Op], tables: &Tables, cluster: &Cluster) -> anyhow::Result<()>;

    /// Tidies up what nobody measures.
    fn after(&mut self, change: &Change) -> anyhow::Result<()>;

    /// Ends it.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// The directory of this process on the BPF file system.
fn pins() -> PathBuf {
    PathBuf::from(format!("/sys/fs/bpf/enforcer-bench-{}", std::process::id()))
}
