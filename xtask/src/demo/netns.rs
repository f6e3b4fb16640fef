//! Work inside a network namespace.

use std::fs::File;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps its namespaces.
pub(super) const DIRECTORY: &str = "/run/netns";

/// Does the work on a thread of its own inside the namespace. A socket made there stays there,
/// whichever thread uses it later.
pub(super) fn inside<T: Send>(netns: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = Path::new(DIRECTORY).join(netns);
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(file, CloneFlags::CLONE_NEWNET)
                .with_context(|| format!("entering {}", path.display()))?;
            work()
        });
        thread
            .join()
            .map_err(|_| anyhow!("the thread inside {netns} panicked"))?
    })
}
