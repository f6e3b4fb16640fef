//! Noticing changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::files::is_manifest;

/// A file that is being written is taken for whole when nothing happened for so long …
const QUIET: Duration = Duration::from_millis(50);
/// … or when anything has happened for so long. Who writes a file at once or closes it is not waited
/// for.
const PATIENCE: Duration = Duration::from_millis(400);
/// After changes were told, the next are collected for at least so long, and at most for so long.
const COLLECT: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(500)];
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
/// When more than files changed, the watches are set anew before the change is told: whatever folder
/// was made, linked or put in the place of another meanwhile is watched from then on, and what
/// happened before is seen by reading.
#[derive(Debug)]
pub struct Watch {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    sender: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    /// Until when changes are only collected.
    collect: Instant,
    /// What has not been told yet; kept here so that a dropped [`Watch::changed`] loses nothing, and
    /// waits no longer for being dropped again and again.
    burst: Option<Burst>,
}

/// What happened, as far as it matters.
#[derive(Clone, Debug, Default)]
struct Event {
    /// Files that somebody is writing.
    begun: Vec<PathBuf>,
    /// Files that are whole, or gone.
    done: Vec<PathBuf>,
    /// Nothing but files changed, so that what is watched is right.
    plain: bool,
}

/// A burst of events that goes on.
#[derive(Clone, Debug)]
struct Burst {
    /// Files that somebody is writing.
    unfinished: BTreeSet<PathBuf>,
    /// Nothing but files changed.
    plain: bool,
    /// When it is over if nothing comes.
    quiet: Instant,
    /// When it is over whatever comes.
    end: Instant,
}

impl Burst {
    fn begin(event: Event) -> Self {
        let now = Instant::now();
        let mut burst = Self {
            unfinished: BTreeSet::new(),
            plain: true,
            quiet: now,
            end: now + PATIENCE,
        };
        burst.add(event);
        burst
    }

    fn add(&mut self, event: Event) {
        self.plain &= event.plain;
        self.unfinished.extend(event.begun);
        for path in event.done {
            self.unfinished.remove(&path);
        }
        self.quiet = Instant::now() + QUIET;
    }

    /// When it is over, if nothing more comes; not before `collect`.
    fn over(&self, collect: Instant) -> Instant {
        if self.unfinished.is_empty() {
            return collect;
        }
        self.quiet.min(self.end).max(collect)
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
            collect: Instant::now(),
            burst: None,
        };
        watch.renew()?;
        Ok(watch)
    }

    /// Waits until something may have changed, and no file is half written. Can be dropped at any
    /// time. When the system stops telling about changes, it returns twice a second.
    pub async fn changed(&mut self) {
        while self.burst.is_none() {
            if self.watcher.is_some() {
                let event = self.events.recv().await;
                self.burst = event.map(Burst::begin);
            } else {
                // A full table of watches empties again: try each time.
                let _ = timeout(POLL, self.events.recv()).await;
                self.burst = Some(Burst::begin(Event::default()));
            }
        }
        while let Some(burst) = &mut self.burst {
            // What is there already counts, too.
            while let Ok(event) = self.events.try_recv() {
                burst.add(event);
            }
            let over = burst.over(self.collect);
            if Instant::now() >= over {
                break;
            }
            if let Ok(Some(event)) = timeout_at(over, self.events.recv()).await {
                burst.add(event);
            }
        }
        let watched = self.watcher.is_some();
        let plain = self.burst.take().is_some_and(|burst| burst.plain);
        if (!plain || !watched)
            && let (Err(error), true) = (self.renew(), watched)
        {
            tracing::warn!(%error, "changes of manifests are noticed by looking twice a second");
        }
    }

    /// To put into force what was told took this long: before more is told, others have their turn.
    pub fn rest(&mut self, effort: Duration) {
        let [least, most] = COLLECT;
        self.collect = Instant::now() + (effort * 2).clamp(least, most);
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
            let event = match event {
                Ok(event) if !concerns(&event, &root) => return,
                Ok(event) => what(&event, &root),
                Err(_) => Event::default(),
            };
            // The receiver is gone only when nobody wants to know any more.
            let _ = sender.send(event);
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

/// What an event says of files.
fn what(event: &notify::Event, root: &Path) -> Event {
    let files = || event.paths.iter().filter(|path| is_manifest(path)).cloned();
    let gone = event.kind == EventKind::Remove(RemoveKind::File);
    // Nobody knows what a link leads to.
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|one| one.is_file());
    let plain = |path: &PathBuf| path != root && is_manifest(path) && (gone || is_file(path));
    let all = !event.need_rescan() && !event.paths.is_empty();
    let mut known = Event {
        plain: all && event.paths.iter().all(plain),
        ..Event::default()
    };
    match event.kind {
        EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) => {
            known.begun.extend(files());
        }
        EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            known.done.extend(files());
        }
        _ => {}
    }
    known
}

/// The nearest folder above `path` that exists.
fn existing_parent(path: &Path) -> &Path {
    let above = path.ancestors().skip(1);
    let mut named = above.filter(|parent| !parent.as_os_str().is_empty());
    named
        .find(|parent| parent.is_dir())
        .unwrap_or(Path::new("."))
}
