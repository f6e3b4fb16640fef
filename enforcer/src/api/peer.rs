//! Whose the other end of a TCP connection within this machine is.
//!
//! The kernel is asked by `NETLINK_SOCK_DIAG` for the one socket whose addresses are those of the
//! connection turned round. A process in another network namespace or on another machine has none here.

use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{NLMSG_ERROR, NetlinkBuffer};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};
use nix::errno::Errno;

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`, and no more: one socket, no list.
const REQUEST: u16 = 1;
/// Bytes of the netlink header and of `inet_diag_req_v2`.
const HEADER: usize = 16;
const QUESTION: usize = 56;
/// Where the addresses begin in `inet_diag_req_v2` and in `inet_diag_msg`.
const ASKED: usize = 8;
const TOLD: usize = 4;
/// Bytes of both ports and both addresses in `inet_diag_sockid`.
const ENDS: usize = 36;
/// `idiag_uid` and `idiag_inode` in `inet_diag_msg`.
const UID: usize = 64;
const INODE: usize = 68;
/// `TCP_ESTABLISHED`: a listening socket is nobody's other end.
const ESTABLISHED: u8 = 1;
const TCP: u8 = 6;
const V4: u8 = 2;
const V6: u8 = 10;

/// The user who made the socket at `peer` that is connected to `local`; `None` if there is no such socket
/// in the calling thread's network namespace, or no process has it any more.
///
/// # Errors
/// When the kernel does not answer.
pub(super) fn owner(local: SocketAddr, peer: SocketAddr) -> io::Result<Option<u32>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    // The kernel has answered when sending is over.
    socket.set_non_blocking(true)?;
    socket.send(&question(local, peer), 0)?;
    let mut answer = Vec::with_capacity(4096);
    socket.recv(&mut answer, 0)?;
    let message = NetlinkBuffer::new_checked(&answer).map_err(io::Error::other)?;
    if message.message_type() == NLMSG_ERROR {
        let code = message.payload().first_chunk().copied();
        return match Errno::from_raw(-code.map_or(0, i32::from_ne_bytes)) {
            Errno::ENOENT => Ok(None),
            error => Err(error.into()),
        };
    }
    Ok(read(message.payload(), &ends(local, peer)))
}

/// The ports and addresses of the socket at `peer`, as the kernel has them.
fn ends(local: SocketAddr, peer: SocketAddr) -> [u8; ENDS] {
    let mut ends = [0; ENDS];
    ends[..2].copy_from_slice(&peer.port().to_be_bytes());
    ends[2..4].copy_from_slice(&local.port().to_be_bytes());
    for (at, address) in [(4, peer.ip()), (20, local.ip())] {
        match address {
            IpAddr::V4(address) => ends[at..at + 4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => ends[at..at + 16].copy_from_slice(&address.octets()),
        }
    }
    ends
}

fn question(local: SocketAddr, peer: SocketAddr) -> [u8; HEADER + QUESTION] {
    let mut bytes = [0; HEADER + QUESTION];
    let (header, body) = bytes.split_at_mut(HEADER);
    let length = u32::try_from(HEADER + QUESTION).unwrap_or_default();
    header[..4].copy_from_slice(&length.to_ne_bytes());
    header[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    header[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    body[0] = if local.is_ipv4() { V4 } else { V6 };
    body[1] = TCP;
    // In whatever state.
    body[4..8].fill(0xff);
    body[ASKED..ASKED + ENDS].copy_from_slice(&ends(local, peer));
    // Whatever its cookie.
    body[ASKED + ENDS + 4..].fill(0xff);
    bytes
}

/// The kernel also answers with a listening socket of that address and port, and with one that its process
/// has closed, which then counts as root's.
fn read(payload: &[u8], ends: &[u8; ENDS]) -> Option<u32> {
    let number = |at: usize| {
        let bytes = payload.get(at..at + 4)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let same = payload.get(TOLD..TOLD + ENDS)? == ends;
    let held = payload.get(1) == Some(&ESTABLISHED) && number(INODE)? != 0;
    number(UID).filter(|_| same && held)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Both ends of a connection, and how they call each other.
    fn connection(address: &str) -> (TcpStream, TcpStream, SocketAddr, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let local = server.local_addr().unwrap();
        (server, client, local, peer)
    }

    #[test]
    fn the_other_end_of_a_connection_is_ours() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (_server, _client, local, peer) = connection(address);
            let own = nix::unistd::geteuid().as_raw();
            assert_eq!(owner(local, peer).unwrap(), Some(own), "{address}");
        }
    }

    #[test]
    fn who_has_gone_is_nobody() {
        let (_server, client, local, peer) = connection("127.0.0.1:0");
        drop(client);
        assert_eq!(owner(local, peer).unwrap(), None);
    }

    #[test]
    fn a_listener_at_the_peers_port_is_not_the_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let nobody = SocketAddr::new(address.ip(), 1);
        assert_eq!(owner(nobody, address).unwrap(), None);
    }

    #[test]
    fn a_cut_answer_says_nothing() {
        assert_eq!(read(&[V4, ESTABLISHED], &[0; ENDS]), None);
        assert_eq!(read(&[], &[0; ENDS]), None);
    }
}
