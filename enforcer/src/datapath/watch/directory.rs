//! Follows a directory that may not exist yet.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::WatchError;

/// A directory that is watched. A new one in an old one's place has another inode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Watched {
    path: PathBuf,
    inode: u64,
}

impl Watched {
    fn look(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok()?;
        metadata.is_dir().then(|| Self {
            path,
            inode: metadata.ino(),
        })
    }
}

/// The directory, or while it does not exist the nearest one above it that does.
pub(super) struct Directory {
    wanted: PathBuf,
    watched: Watched,
    watcher: RecommendedWatcher,
    touched: Arc<Notify>,
    news: Arc<Notify>,
}

impl Directory {
    pub(super) fn watch(wanted: &Path, news: Arc<Notify>) -> Result<Self, WatchError> {
        let wanted = std::path::absolute(wanted)
            .map_err(|error| WatchError::Directory(notify::Error::io(error)))?;
        let touched = Arc::new(Notify::new());
        let told = touched.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Discovery itself opens every file.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                told.notify_one();
            }
        })
        .map_err(WatchError::Directory)?;
        let mut directory = Self {
            wanted,
            watched: Watched::default(),
            watcher,
            touched,
            news,
        };
        directory.come_closer()?;
        Ok(directory)
    }

    /// Watches the wanted directory, or its nearest ancestor.
    fn come_closer(&mut self) -> Result<(), WatchError> {
        let ancestors: Vec<PathBuf> = self.wanted.ancestors().map(Path::to_owned).collect();
        let mut result = Ok(());
        for path in ancestors {
            let Some(found) = Watched::look(path) else {
                continue;
            };
            if found == self.watched {
                return Ok(());
            }
            result = self.watcher.watch(&found.path, RecursiveMode::NonRecursive);
            if result.is_ok() {
                if found.path != self.watched.path {
                    // It is gone already when the directory was removed.
                    let _ = self.watcher.unwatch(&self.watched.path);
                }
                self.watched = found;
                break;
            }
        }
        result.map_err(WatchError::Directory)
    }

    pub(super) async fn follow(mut self) {
        loop {
            self.touched.notified().await;
            let mut relevant = self.watched.path == self.wanted;
            loop {
                let before = self.watched.clone();
                if let Err(error) = self.come_closer() {
                    tracing::warn!(%error, directory = %self.wanted.display(),
                        "network namespaces are followed by mounts only");
                }
                if self.watched == before {
                    break;
                }
                // The next part of the path may have appeared before this one was watched.
                relevant = true;
            }
            if relevant {
                self.news.notify_one();
            }
        }
    }
}
