//! NFQUEUE: the first packet of each connection goes to a program, which knows the policies; the
//! kernel's table of connections lets the others pass. One thread of this process is that program, and
//! it does as little as such a program can: one look into a set for each side.

mod message;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use enforcer_lab::{Lab, LabError};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, gettid};

use self::message::Tuple;
use super::super::cluster::Cluster;
use super::super::traffic::PORTS;
use super::iptables;

const QUEUE: u16 = 0;

/// nftables would do it too, but not every kernel has its expression for queues.
const RULES: &str = "*filter\n:FORWARD ACCEPT\n\
    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A FORWARD -m conntrack --ctstate INVALID -j DROP\n\
    -A FORWARD -j NFQUEUE --queue-num 0\nCOMMIT\n";

/// Room for what the kernel sends at a time.
const DATAGRAM: usize = 64 * 1024;
/// How long the reader sleeps until it looks whether it is to end, in milliseconds.
const PAUSE: u16 = 100;

/// The reader, which ends with this.
pub(in super::super) struct Reader {
    thread: Option<JoinHandle<()>>,
    id: Pid,
    end: Arc<AtomicBool>,
}

/// What is allowed.
struct Policies {
    /// Pods that are isolated in both directions.
    members: BTreeSet<Ipv4Addr>,
    /// A member and whom it may talk with, in both directions.
    pairs: BTreeSet<(Ipv4Addr, Ipv4Addr)>,
}

/// Starts the reader, and then sends it what is new.
pub(super) fn start(lab: &Lab, cluster: &Cluster<'_>) -> Result<Reader> {
    let socket = lab
        .run(|| {
            open().map_err(|source| LabError::Socket {
                what: "read from a queue of netfilter".to_owned(),
                source,
            })
        })
        .context("this kernel may lack nfnetlink_queue")?;
    let policies = Policies::of(cluster);
    let end = Arc::new(AtomicBool::new(false));
    let (tell, told) = std::sync::mpsc::channel();
    let ended = Arc::clone(&end);
    let thread = thread::Builder::new()
        .name("nfqueue".to_owned())
        .spawn(move || {
            // Who started it waits for this.
            let _ = tell.send(gettid());
            while !ended.load(Ordering::Relaxed) {
                // A queue that is not read drops everything, which no measurement would survive.
                if serve(&socket, &policies).is_err() {
                    break;
                }
            }
        })
        .context("starting a thread")?;
    let id = told
        .recv()
        .map_err(|_| anyhow!("the reader of the queue ended at once"))?;
    let reader = Reader {
        thread: Some(thread),
        id,
        end,
    };
    iptables::feed_rules(lab, RULES)?;
    Ok(reader)
}

impl Reader {
    /// The thread.
    pub(in super::super) const fn id(&self) -> Pid {
        self.id
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A socket to which the kernel sends the queue of this namespace.
fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    for question in [message::bind(QUEUE), message::copy(QUEUE)] {
        socket.send(&question, 0)?;
        let mut answer = Vec::with_capacity(DATAGRAM);
        socket.recv(&mut answer, 0)?;
        // An acknowledgement is an error with the number 0, behind a header of 16 bytes.
        let code = answer.get(16..).and_then(|rest| rest.first_chunk());
        match code.map_or(0, |code| i32::from_ne_bytes(*code)) {
            0 => {}
            code => return Err(io::Error::from_raw_os_error(-code)),
        }
    }
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Judges what has come, and waits a while when there is nothing.
fn serve(socket: &Socket, policies: &Policies) -> io::Result<()> {
    let mut datagram = Vec::with_capacity(DATAGRAM);
    match socket.recv(&mut datagram, 0) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            poll(&mut wanted, PollTimeout::from(PAUSE))?;
            return Ok(());
        }
        // More came at once than there was room for: what the kernel dropped is lost, as it would be.
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => return Ok(()),
        Err(error) => return Err(error),
    }
    for waiting in message::packets(&datagram) {
        let allowed = waiting.tuple.is_some_and(|tuple| policies.allow(tuple));
        socket.send(&message::verdict(QUEUE, waiting.id, allowed), 0)?;
    }
    Ok(())
}

impl Policies {
    fn of(cluster: &Cluster<'_>) -> Self {
        let v4 = |address: &IpAddr| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        };
        let members: BTreeSet<Ipv4Addr> = cluster.members().iter().filter_map(v4).collect();
        let peers = cluster.peers();
        let peers: Vec<Ipv4Addr> = peers.iter().flatten().filter_map(v4).collect();
        let pairs = members
            .iter()
            .flat_map(|member| peers.iter().map(|peer| (*member, *peer)));
        Self {
            pairs: pairs.collect(),
            members,
        }
    }

    /// Whether both sides allow it, as far as they are isolated.
    fn allow(&self, tuple: Tuple) -> bool {
        let side = |pod, peer| {
            !self.members.contains(&pod)
                || (self.pairs.contains(&(pod, peer)) && PORTS.contains(&tuple.port))
        };
        side(tuple.source, tuple.destination) && side(tuple.destination, tuple.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_must_allow_what_they_isolate() {
        let [member, peer, stranger, other] =
            [1, 2, 3, 4].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let policies = Policies {
            members: [member, peer].into(),
            pairs: [(member, peer), (peer, member)].into(),
        };
        let allow = |source, destination, port| {
            policies.allow(Tuple {
                source,
                destination,
                port,
            })
        };
        assert!(allow(member, peer, *PORTS.start()));
        assert!(!allow(member, peer, *PORTS.end() + 1));
        assert!(!allow(member, stranger, *PORTS.start()));
        assert!(!allow(stranger, member, *PORTS.start()));
        assert!(allow(stranger, other, 1));
    }
}
