//! Says when to discover again.
//!
//! Three sources, none of them polled:
//! - rtnetlink of the node and of every namespace that has a number here (discovery gives each one
//!   a number): links and addresses that appear, change and go;
//! - the mount table: a namespace file becomes a namespace by a bind mount;
//! - the directory itself: namespaces may also be symbolic links, which nobody mounts.
//!
//! Start the watcher before the first discovery; then nothing can be missed between the two.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How long news are gathered before they are told. A new pod is a burst of a dozen events.
const GATHER: Duration = Duration::from_millis(15);

/// The multicast groups of rtnetlink (`RTNLGRP_LINK`, `_IPV4_IFADDR`, `_IPV6_IFADDR`, `_NSID`).
const GROUPS: [u32; 4] = [1, 5, 9, 28];

/// Room for bursts; what does not fit is an overrun, which is news too.
const RECEIVE_BUFFER: u32 = 1 << 20;

/// The list of mounts, which wakes those who poll it when it changes.
const MOUNTS: &str = "/proc/self/mountinfo";

/// What keeps the watcher from starting.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The netlink socket cannot be had.
    #[error("cannot listen for links and addresses: {0}")]
    Netlink(#[source] io::Error),
    /// The mount table cannot be watched.
    #[error("cannot watch {MOUNTS}: {0}")]
    Mounts(#[source] io::Error),
    /// The directory cannot be watched.
    #[error("cannot watch the directory of network namespaces: {0}")]
    Directory(#[source] notify::Error),
}

/// A running watcher; it ends when dropped.
#[derive(Debug)]
pub struct Watcher {
    news: Arc<Notify>,
    /// Aborted on drop.
    _tasks: JoinSet<()>,
}

impl Watcher {
    /// Starts on the running tokio runtime. The directory need not exist yet.
    pub fn start(directory: &Path) -> Result<Self, WatchError> {
        let news = Arc::new(Notify::new());
        let netlink = listen().map_err(WatchError::Netlink)?;
        let mounts = File::open(MOUNTS)
            .and_then(|file| register(file, Interest::PRIORITY | Interest::ERROR))
            .map_err(WatchError::Mounts)?;
        let directory = Directory::watch(directory, news.clone())?;

        let mut tasks = JoinSet::new();
        tasks.spawn(follow_netlink(netlink, news.clone()));
        tasks.spawn(follow_mounts(mounts, news.clone()));
        tasks.spawn(directory.follow());
        Ok(Self {
            news,
            _tasks: tasks,
        })
    }

    /// Waits until something has changed since the last call returned, and then 15 ms more for what
    /// belongs to it. The first call also returns when something changed before it.
    pub async fn changed(&self) {
        self.news.notified().await;
        tokio::time::sleep(GATHER).await;
        // What came meanwhile is covered by the discovery that follows.
        futures_util::FutureExt::now_or_never(self.news.notified());
    }
}

fn listen() -> io::Result<AsyncFd<Socket>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    socket.set_rx_buf_sz(RECEIVE_BUFFER)?;
    socket.set_listen_all_namespaces(true)?;
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    register(socket, Interest::READABLE)
}

#[expect(
    deprecated,
    reason = "its successor is an unsafe function for types that may give up their descriptor; a \
              file and a socket own theirs for life"
)]
fn register<T: AsRawFd>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(owner, interest)
}

async fn follow_netlink(socket: AsyncFd<Socket>, news: Arc<Notify>) {
    loop {
        let Ok(mut ready) = socket.readable().await else {
            return;
        };
        let outcome = drain(socket.get_ref());
        ready.clear_ready();
        match outcome {
            Ok(()) => news.notify_one(),
            Err(error) => {
                tracing::error!(%error, "cannot read netlink events; links are no longer followed");
                return;
            }
        }
    }
}

/// Reads everything there is. Its content does not matter, nor does what was lost by an overrun:
/// discovery reads it all anew.
fn drain(socket: &Socket) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    loop {
        buffer.clear();
        let Err(error) = socket.recv(&mut buffer, 0) else {
            continue;
        };
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN) => return Ok(()),
            Some(Errno::ENOBUFS) => tracing::debug!("netlink events were lost"),
            Some(Errno::EINTR) => {}
            _ => return Err(error),
        }
    }
}

/// The kernel reports a change of the mounts as an error condition with priority data. On a busy
/// node most of them are of containers' file systems, so only those of namespaces are news.
async fn follow_mounts(mounts: AsyncFd<File>, news: Arc<Notify>) {
    let mut before = namespace_mounts(mounts.get_ref());
    while let Ok(mut ready) = mounts.ready(Interest::PRIORITY | Interest::ERROR).await {
        ready.clear_ready_matching(Ready::ALL);
        let now = namespace_mounts(mounts.get_ref());
        // What cannot be read may be anything.
        if now.is_err() || now.as_ref().ok() != before.as_ref().ok() {
            news.notify_one();
        }
        before = now;
    }
}

/// The lines of the mount table that are namespaces.
fn namespace_mounts(mut table: &File) -> io::Result<Vec<String>> {
    let mut text = String::new();
    table.rewind()?;
    table.read_to_string(&mut text)?;
    let lines = text.lines().filter(|line| line.contains(" - nsfs "));
    Ok(lines.map(str::to_owned).collect())
}

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
struct Directory {
    wanted: PathBuf,
    watched: Watched,
    watcher: RecommendedWatcher,
    touched: Arc<Notify>,
    news: Arc<Notify>,
}

impl Directory {
    fn watch(wanted: &Path, news: Arc<Notify>) -> Result<Self, WatchError> {
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

    async fn follow(mut self) {
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
