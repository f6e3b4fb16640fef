//! IP packets of any protocol, for what the kernel has no sockets for.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{LabError, Namespace};

/// Time between two attempts.
const AGAIN: Duration = Duration::from_millis(130);

/// Length of the mark at the end of a payload by which it is known again: what is before it may be
/// rewritten on the way (checksums).
const MARK: usize = 8;

/// One end of a raw probe: where, and with which address.
pub type End<'a> = (&'a Namespace, IpAddr);

/// Sends an IP packet, again and again within the time, and looks whether one arrives. The last 8
/// bytes of the payload must be like no other packet's.
pub fn arrives(
    from: End<'_>,
    to: End<'_>,
    protocol: u8,
    payload: &[u8],
    timeout: Duration,
) -> Result<bool, LabError> {
    let receiver = open(to, protocol)?;
    let sender = open(from, protocol)?;
    receiver
        .set_read_timeout(Some(AGAIN))
        .map_err(LabError::socket("set a time limit"))?;
    let target = SocketAddr::new(to.1, 0).into();
    let end = Instant::now() + timeout;
    while Instant::now() < end {
        match sender.send_to(payload, &target) {
            // An answer to the attempt before, such as "protocol unreachable".
            Err(error) if error.kind() != ErrorKind::ConnectionRefused => {
                return Err(LabError::socket(format!("send to {}", to.1))(error));
            }
            _ => {}
        }
        if received(&receiver, payload) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A raw socket bound to an address of a namespace.
fn open((at, address): End<'_>, protocol: u8) -> Result<Socket, LabError> {
    at.run(|| {
        let address = SocketAddr::new(address, 0);
        let protocol = Protocol::from(i32::from(protocol));
        let socket = Socket::new(Domain::for_address(address), Type::RAW, Some(protocol))
            .map_err(LabError::socket("make a raw socket"))?;
        socket
            .bind(&address.into())
            .map_err(LabError::socket(format!("bind to {address}")))?;
        Ok(socket)
    })
}

fn received(mut socket: &Socket, payload: &[u8]) -> bool {
    let mark = &payload[payload.len().saturating_sub(MARK)..];
    let end = Instant::now() + AGAIN;
    let mut buffer = [0; 2048];
    while Instant::now() < end {
        match socket.read(&mut buffer) {
            Ok(length) if buffer[..length].ends_with(mark) => return true,
            _ => {}
        }
    }
    false
}
