//! Keeping the plugin installed: a CNI may write its list anew at any time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::Installation;

/// How long changes are gathered: an installer changes several files.
const GATHER: Duration = Duration::from_millis(50);

/// How often to try again what failed for a reason that no change of the directories ends.
const RETRY: Duration = Duration::from_secs(30);

/// Keeps the plugin installed until it is stopped.
#[derive(Debug)]
pub struct Keeper {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
    trouble: Receiver<Option<String>>,
}

impl Keeper {
    /// Starts on the running tokio runtime, and installs.
    pub fn start(installation: Installation) -> Self {
        let stop = Arc::new(Notify::new());
        let (sender, trouble) = channel(None);
        let task = tokio::spawn(keep(installation, stop.clone(), sender));
        Self {
            stop,
            task,
            trouble,
        }
    }

    /// Why it is not installed, as far as is known.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Ends it. Nothing is installed any more when this returns; what is stays.
    pub async fn stop(self) {
        self.stop.notify_one();
        // It has not panicked, or that is told already.
        let _ = self.task.await;
    }
}

async fn keep(installation: Installation, stop: Arc<Notify>, trouble: Sender<Option<String>>) {
    let news = Arc::new(Notify::new());
    let mut watcher = watcher(news.clone());
    let installation = Arc::new(installation);
    let mut told = None;
    loop {
        // Also a directory that was made, or made anew, since the last time.
        watcher = watcher.map(|watcher| watch(watcher, &installation));
        let work = installation.clone();
        let done = tokio::task::spawn_blocking(move || work.install()).await;
        let failure = match done {
            Ok(Ok(changed)) => {
                tell(&changed);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(failure) = failure.as_ref().filter(|_| failure != told) {
            tracing::warn!(
                error = failure,
                "the CNI plugin is not installed; pods start without waiting for their policies"
            );
        }
        trouble.send_replace(failure.clone());
        told = failure;
        tokio::select! {
            () = stop.notified() => return,
            () = news.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn tell(changed: &[PathBuf]) {
    for path in changed {
        tracing::info!(path = %path.display(), "CNI plugin installed");
    }
}

fn watcher(news: Arc<Notify>) -> Option<RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            news.notify_one();
        }
    });
    watcher
        .inspect_err(|error| tracing::warn!(%error, "changes of CNI configurations are seen late"))
        .ok()
}

fn watch(mut watcher: RecommendedWatcher, installation: &Installation) -> RecommendedWatcher {
    let place = &installation.place;
    for directory in [&place.conf_dir, &place.bin_dir] {
        if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
            tracing::debug!(%error, path = %directory.display(), "not watched");
        }
    }
    watcher
}
