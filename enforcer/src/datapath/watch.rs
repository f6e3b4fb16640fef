//! Says when to discover again.
//!
//! Three sources, none of them polled:
//! - rtnetlink of the node and of every namespace that has a number here (discovery gives each one
//!   a number): links and addresses that appear, change and go;
//! - the mount table: a namespace file becomes a namespace by a bind mount;
//! - the directory itself: namespaces may also be symbolic links, which nobody mounts.
//!
//! Start the watcher before the first discovery; then nothing can be missed between the two.

mod directory;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::directory::Directory;

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
    gathered: Arc<Notify>,
    /// Aborted on drop.
    _tasks: JoinSet<()>,
}

impl Watcher {
    /// Starts on the running tokio runtime. The directory need not exist yet.
    pub fn start(directory: &Path) -> Result<Self, WatchError> {
        let news = Arc::new(Notify::new());
        let netlink = listen(RECEIVE_BUFFER)
            .and_then(|socket| register(socket, Interest::READABLE))
            .map_err(WatchError::Netlink)?;
        let mounts = File::open(MOUNTS)
            .and_then(|file| register(file, Interest::PRIORITY | Interest::ERROR))
            .map_err(WatchError::Mounts)?;
        let directory = Directory::watch(directory, news.clone())?;

        let mut tasks = JoinSet::new();
        tasks.spawn(follow_netlink(netlink, news.clone()));
        tasks.spawn(follow_mounts(mounts, news.clone()));
        tasks.spawn(directory.follow());
        let gathered = Arc::new(Notify::new());
        tasks.spawn(gather(news, gathered.clone()));
        Ok(Self {
            gathered,
            _tasks: tasks,
        })
    }

    /// Waits until something has changed since the last call returned, and 15 ms more for what
    /// belongs to it. The first call also returns when something changed before it. Nothing is lost
    /// when the future is dropped before it is ready.
    pub async fn changed(&self) {
        self.gathered.notified().await;
    }
}

/// Makes one piece of news of those that come together.
async fn gather(news: Arc<Notify>, gathered: Arc<Notify>) {
    loop {
        news.notified().await;
        tokio::time::sleep(GATHER).await;
        gathered.notify_one();
    }
}

fn listen(receive_buffer: u32) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    socket.set_rx_buf_sz(receive_buffer)?;
    socket.set_listen_all_namespaces(true)?;
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    Ok(socket)
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

#[cfg(test)]
mod tests {
    use enforcer_lab::{Home, Namespace};

    use super::*;
    use crate::datapath::netns::Netns;

    #[test]
    fn lost_events_are_no_error_and_are_drained_like_others() {
        let home = Home::create().unwrap();
        let node = Namespace::create(home.path().join("node")).unwrap();
        let netns = Netns::open(node.path()).unwrap();
        // The kernel makes it the smallest there is.
        let socket = netns.run(|| listen(1)).unwrap().unwrap();
        let flood = || {
            for number in 1..30 {
                node.ip(&format!("address add 10.0.0.{number}/32 dev lo"))
                    .unwrap();
            }
            node.ip("address flush dev lo").unwrap();
        };
        flood();
        let lost = socket
            .recv(&mut Vec::with_capacity(1 << 16), 0)
            .unwrap_err();
        assert_eq!(
            lost.raw_os_error(),
            Some(Errno::ENOBUFS as i32),
            "no overrun to test with"
        );
        drain(&socket).unwrap();
        flood();
        drain(&socket).unwrap();
    }
}
