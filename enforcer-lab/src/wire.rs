//! Raw frames on a link.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt::ReceiveTimeout,
};
use nix::sys::time::TimeVal;

use crate::{LabError, Namespace};

/// A packet socket bound to one link: sends frames as they are, and sees all that the link sends
/// and receives from now on.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    /// The MAC address of the link.
    pub mac: [u8; 6],
}

impl Wire {
    /// Opens a link of a namespace.
    pub fn open(at: &Namespace, link: &str) -> Result<Self, LabError> {
        at.run(|| {
            let address = link_address(link)?;
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::EthAll,
            )
            .map_err(LabError::system("make a packet socket"))?;
            bind(socket.as_raw_fd(), &address).map_err(LabError::system("bind to a link"))?;
            Ok(Self {
                socket,
                mac: address.addr().unwrap_or_default(),
            })
        })
    }

    /// Sends a frame, Ethernet header first.
    pub fn send(&self, frame: &[u8]) -> Result<(), LabError> {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty())
            .map(drop)
            .map_err(LabError::system("send a frame"))
    }

    /// The next frame that `wanted` takes, if one comes within the time.
    pub fn receive(
        &self,
        timeout: Duration,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, LabError> {
        let end = Instant::now() + timeout;
        let mut buffer = vec![0; 1 << 16];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.wait_at_most(left.max(Duration::from_millis(1)))?;
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) if wanted(&buffer[..length]) => {
                    return Ok(Some(buffer[..length].to_vec()));
                }
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(LabError::system("receive a frame")(errno)),
            }
        }
        Ok(None)
    }

    fn wait_at_most(&self, time: Duration) -> Result<(), LabError> {
        let seconds = time.as_secs().try_into().unwrap_or(i64::MAX);
        let limit = TimeVal::new(seconds, time.subsec_micros().into());
        setsockopt(&self.socket, ReceiveTimeout, &limit)
            .map_err(LabError::system("set a time limit"))
    }
}

/// The packet address of a link of the calling thread's namespace.
fn link_address(link: &str) -> Result<LinkAddr, LabError> {
    getifaddrs()
        .map_err(LabError::system("list links"))?
        .filter(|interface| interface.interface_name == link)
        .find_map(|interface| interface.address?.as_link_addr().copied())
        .ok_or(LabError::System {
            what: "find a link",
            errno: Errno::ENODEV,
        })
}
