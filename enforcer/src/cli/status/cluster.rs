//! `enforcer status --cluster`.

use std::time::{Duration, Instant};

use crate::cli::cluster::ClusterArgs;
use crate::cli::progress::Progress;
use crate::screen::ClusterScreen;

/// Time between two looks at all nodes.
const INTERVAL: Duration = Duration::from_secs(2);

/// Asks all nodes; again and again until no node needs attention or the time is over.
pub(super) fn ask(args: &ClusterArgs, wait: Option<Duration>) -> anyhow::Result<ClusterScreen> {
    let begin = Instant::now();
    ClusterArgs::block_on(async {
        let fleet = args.fleet().await?;
        loop {
            let progress = Progress::new("nodes asked");
            let screen = fleet.status(|done, all| progress.step(done, all)).await?;
            let over = wait.is_none_or(|wait| begin.elapsed() >= wait);
            if over || screen.is_healthy() {
                return Ok(screen);
            }
            drop(progress);
            tokio::time::sleep(INTERVAL).await;
        }
    })
}
