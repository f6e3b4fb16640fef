//! Noticing changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// A burst of events is over when nothing came for so long …
const QUIET: Duration = Duration::from_millis(50);
/// … or when it has lasted for so long.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often to look when the system does not tell.
const POLL: Duration = Duration::from_millis(500);

/// The system refuses to watch.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot watch {path}: {source}; raise fs.inotify.max_user_watches or max_user_instances if it is full"
)]
pub struct WatchError {
    /// What was to be watched.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: notify::Error,
}

/// Tells when something below a path may have changed.
///
/// After every burst of events the watches are set anew, before the change is told: whatever was
/// created, linked or put in the place of another meanwhile is watched from then on, and what
/// happened before is seen by reading.
#[derive(Debug)]
pub struct Watch {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    sender: mpsc::UnboundedSender<()>,
    events: mpsc::UnboundedReceiver<()>,
    /// What has not been told yet; kept here so that a dropped [`Watch::changed`] loses nothing, and
    /// waits no longer for being dropped again and again.
    burst: Option<Burst>,
}

/// A burst of events that goes on.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// When it is over if nothing comes.
    quiet: Instant,
    /// When it is over whatever comes.
    end: Instant,
}

impl Burst {
    fn begin() -> Self {
        let now = Instant::now();
        Self {
            quiet: now + QUIET,
            end: now + PATIENCE,
        }
    }
}

impl Watch {
    pub(super) fn new(root: &Path) -> Result<Self, WatchError> {
        let (sender, events) = mpsc::unbounded_channel();
        let mut watch = Self {
            // Events carry absolute paths then, and can be compared with it.
            root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()),
            watcher: None,
            sender,
            events,
            burst: None,
        };
        watch.renew()?;
        Ok(watch)
    }

    /// Waits until something may have changed, and for the end of the burst. Can be dropped at any
    /// time. When the system stops telling about changes, it returns twice a second.
    pub async fn changed(&mut self) {
        while self.burst.is_none() {
            if self.watcher.is_some() {
                let event = self.events.recv().await;
                self.burst = event.map(|()| Burst::begin());
            } else {
                // A full table of watches empties again: try each time.
                let _ = timeout(POLL, self.events.recv()).await;
                self.burst = Some(Burst::begin());
            }
        }
        while let Some(burst) = &mut self.burst
            && Instant::now() < burst.end
        {
            let over = burst.quiet.min(burst.end);
            if timeout_at(over, self.events.recv()).await.is_err() {
                break;
            }
            burst.quiet = Instant::now() + QUIET;
        }
        let watched = self.watcher.is_some();
        if let (Err(error), true) = (self.renew(), watched) {
            tracing::warn!(%error, "changes of manifests are noticed by looking twice a second");
        }
        self.burst = None;
    }

    /// Watches the root and all below it, and the folder that it stands in, for it may be replaced.
    fn renew(&mut self) -> Result<(), WatchError> {
        self.watcher = None;
        let watcher = self.watcher();
        self.watcher = Some(watcher.map_err(|source| WatchError {
            path: self.root.clone(),
            source,
        })?);
        Ok(())
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (sender, root) = (self.sender.clone(), self.root.clone());
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !concerns(&event, &root)) {
                return;
            }
            // The receiver is gone only when nobody wants to know any more.
            let _ = sender.send(());
        };
        let mut watcher = notify::recommended_watcher(handler)?;
        watcher.watch(existing_parent(&self.root), RecursiveMode::NonRecursive)?;
        match watcher.watch(&self.root, RecursiveMode::Recursive) {
            Err(error) if self.root.exists() => Err(error),
            // It does not exist: its parent tells when it does.
            _ => Ok(watcher),
        }
    }
}

/// Whether an event can mean a change below `root`. Reading is no change, for the reader would wake
/// itself for ever; nor is what happens beside the root in the folder that it stands in.
fn concerns(event: &notify::Event, root: &Path) -> bool {
    let related = |path: &PathBuf| path.starts_with(root) || root.starts_with(path);
    let change = match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    change && (event.paths.is_empty() || event.paths.iter().any(related))
}

/// The nearest folder above `path` that exists.
fn existing_parent(path: &Path) -> &Path {
    let above = path.ancestors().skip(1);
    let mut named = above.filter(|parent| !parent.as_os_str().is_empty());
    named
        .find(|parent| parent.is_dir())
        .unwrap_or(Path::new("."))
}
