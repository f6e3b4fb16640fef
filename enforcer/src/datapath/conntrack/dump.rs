//! Asking for the table, with a limit in time.

use std::io;
use std::time::Instant;

use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;

use super::{Entry, Part, parse, question};

/// `IPCTNL_MSG_CT_NEW` of the subsystem `NFNL_SUBSYS_CTNETLINK`: an entry.
pub(super) const NEW: u16 = 0x0100;
/// How many entries the namespace's table has.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
/// The kernel fills at most this much at a time, if the reader offers as much.
const DATAGRAM: usize = 32 * 1024;

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// No socket for it, or it broke.
    #[error("netlink socket to netfilter: {0}")]
    Socket(#[from] io::Error),
    /// The kernel's answer is an error: it has no connection tracking, or not for us.
    #[error("the kernel refused to work on its table of connections: {0}")]
    Refused(Errno),
    /// The kernel's answer cannot be understood.
    #[error("cannot read the list of tracked connections: {0}")]
    Decode(#[from] netlink_packet_core::DecodeError),
}

/// How much of the table was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What was possible within the time.
    Part,
}

/// How many entries the table of the calling thread's network namespace has; `None` where nobody can say.
pub fn count() -> Option<u32> {
    std::fs::read_to_string(COUNT).ok()?.trim().parse().ok()
}

/// Hands over every entry of a part of the table of the calling thread's network namespace, until the
/// time is over.
pub fn entries(
    part: Part,
    until: Instant,
    mut each: impl FnMut(Entry),
) -> Result<Extent, DumpError> {
    // One socket for one list: closing it ends a list that is not read to its end.
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.send(&question::list(part), 0)?;
    let mut datagram = Vec::with_capacity(DATAGRAM);
    loop {
        datagram.clear();
        socket.recv(&mut datagram, 0)?;
        if take(&datagram, &mut each)? {
            return Ok(Extent::Whole);
        }
        if Instant::now() >= until {
            return Ok(Extent::Part);
        }
    }
}

/// The messages of one datagram; whether the list is complete.
fn take(mut bytes: &[u8], each: &mut impl FnMut(Entry)) -> Result<bool, DumpError> {
    while !bytes.is_empty() {
        let message = NetlinkBuffer::new_checked(&bytes)?;
        match message.message_type() {
            NLMSG_DONE | NLMSG_ERROR => return finish(message.payload()),
            NEW => parse::entry(message.payload())
                .into_iter()
                .for_each(&mut *each),
            _ => {}
        }
        let length = (message.length() as usize).next_multiple_of(4);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(false)
}

/// Both ends of a list begin with an error number, 0 for success.
fn finish(payload: &[u8]) -> Result<bool, DumpError> {
    match code(payload) {
        code if code < 0 => Err(DumpError::Refused(Errno::from_raw(-code))),
        _ => Ok(true),
    }
}

/// The number with which an answer that is an error, or none, begins: 0 or below.
pub(super) fn code(payload: &[u8]) -> i32 {
    payload
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}
