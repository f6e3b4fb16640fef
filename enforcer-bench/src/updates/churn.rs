//! Other changes that go on meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::backend::Backend;
use super::cluster::Cluster;

/// Relabels pods while `work` goes on; answers what that answers, and how many pods it were.
pub(super) fn meanwhile<T>(
    cluster: Cluster,
    backend: &dyn Backend,
    per_second: u32,
    turns: &AtomicUsize,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, usize)> {
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let churn = scope.spawn(|| relabel(cluster, backend, per_second, turns, &end));
        let outcome = work();
        end.store(true, Ordering::Relaxed);
        let done = joined(churn)?;
        Ok((outcome?, done))
    })
}

fn joined(thread: ScopedJoinHandle<'_, Result<usize>>) -> Result<usize> {
    thread
        .join()
        .unwrap_or_else(|_| Err(anyhow!("the thread that relabels pods has panicked")))
}

/// Relabels pods at an even pace; what a change takes is not waited for twice.
fn relabel(
    cluster: Cluster,
    backend: &dyn Backend,
    per_second: u32,
    turns: &AtomicUsize,
    end: &AtomicBool,
) -> Result<usize> {
    let Some(pace) = Duration::from_secs(1).checked_div(per_second) else {
        return Ok(0);
    };
    let mut next = Instant::now();
    let mut done = 0;
    while !end.load(Ordering::Relaxed) {
        backend.put(&cluster.relabelled(turns.fetch_add(1, Ordering::Relaxed)))?;
        done += 1;
        next += pace;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(done)
}
