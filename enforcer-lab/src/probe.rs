//! What a client inside a namespace sees.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::{LabError, Namespace};

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Whether this kernel has it; SCTP is often missing.
    pub fn is_supported(self) -> bool {
        self != Self::Sctp || Socket::new(Domain::IPV4, Type::STREAM, SCTP).is_ok()
    }
}

/// SCTP for sockets that behave as TCP's do.
const SCTP: Option<socket2::Protocol> = Some(socket2::Protocol::SCTP);

/// What a probe saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A connection, or an answer.
    Connected,
    /// A refusal: nobody listens at that port.
    Refused,
    /// Nothing within the time.
    Timeout,
    /// Another error, such as no route.
    Failed(ErrorKind),
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            // The latter is how a blocking socket with a time limit says so.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Timeout,
            kind => Self::Failed(kind),
        }
    }
}

impl<T> From<io::Result<T>> for Outcome {
    fn from(result: io::Result<T>) -> Self {
        result.map_or_else(Self::from, |_| Self::Connected)
    }
}

/// Connects by TCP and closes.
pub fn tcp_connect(
    from: &Namespace,
    to: SocketAddr,
    timeout: Duration,
) -> Result<Outcome, LabError> {
    reach(from, None, to, Protocol::Tcp, timeout)
}

/// Sends by UDP, up to three times within the time, and waits for an answer.
pub fn udp_ask(from: &Namespace, to: SocketAddr, timeout: Duration) -> Result<Outcome, LabError> {
    reach(from, None, to, Protocol::Udp, timeout)
}

/// Connects by TCP or SCTP, or asks by UDP, from a chosen source address and port if one is given.
pub fn reach(
    from: &Namespace,
    source: Option<SocketAddr>,
    to: SocketAddr,
    protocol: Protocol,
    timeout: Duration,
) -> Result<Outcome, LabError> {
    if !protocol.is_supported() {
        return Err(LabError::Unsupported("SCTP"));
    }
    from.run(|| {
        let socket = socket(protocol, source, to)?;
        Ok(match protocol {
            Protocol::Tcp | Protocol::Sctp => socket.connect_timeout(&to.into(), timeout).into(),
            Protocol::Udp => ask(&socket.into(), to, timeout).into(),
        })
    })
}

/// A socket of the calling thread's namespace, bound to `source` if that is given.
pub(crate) fn socket(
    protocol: Protocol,
    source: Option<SocketAddr>,
    to: SocketAddr,
) -> Result<Socket, LabError> {
    let (kind, protocol) = match protocol {
        Protocol::Tcp => (Type::STREAM, None),
        Protocol::Sctp => (Type::STREAM, SCTP),
        Protocol::Udp => (Type::DGRAM, None),
    };
    let failed = LabError::socket("make a client socket");
    let socket = Socket::new(Domain::for_address(to), kind, protocol).map_err(failed)?;
    if let Some(source) = source {
        let prepared = socket
            .set_reuse_address(true)
            .and_then(|()| socket.bind(&source.into()));
        prepared.map_err(LabError::socket(format!("bind to {source}")))?;
    }
    Ok(socket)
}

fn ask(socket: &UdpSocket, to: SocketAddr, timeout: Duration) -> io::Result<usize> {
    const QUESTIONS: u32 = 3;
    socket.connect(to)?;
    socket.set_read_timeout(Some(timeout / QUESTIONS))?;
    let mut answer = [0; 64];
    let mut result = Err(ErrorKind::TimedOut.into());
    for _ in 0..QUESTIONS {
        socket.send(b"question")?;
        result = socket.recv(&mut answer);
        if !matches!(&result, Err(error) if Outcome::from(io::Error::from(error.kind())) == Outcome::Timeout)
        {
            break;
        }
    }
    result
}

/// Sends an ICMP or ICMPv6 echo request and waits for the reply.
pub fn ping(from: &Namespace, to: IpAddr, timeout: Duration) -> Result<Outcome, LabError> {
    let (domain, protocol, request, reply) = match to {
        IpAddr::V4(_) => (Domain::IPV4, socket2::Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, socket2::Protocol::ICMPV6, 128, 129),
    };
    from.run(|| {
        // A datagram socket for ICMP: the kernel fills in identifier and checksum, and gives only
        // what belongs to this socket.
        let socket = Socket::new(domain, Type::DGRAM, Some(protocol))
            .map_err(LabError::socket("make an ICMP socket"))?;
        Ok(echo(&socket.into(), to, [request, reply], timeout).into())
    })
}

fn echo(
    socket: &UdpSocket,
    to: IpAddr,
    [request, reply]: [u8; 2],
    timeout: Duration,
) -> io::Result<()> {
    let end = Instant::now() + timeout;
    socket.connect(SocketAddr::new(to, 0))?;
    socket.send(&[request, 0, 0, 0, 0, 0, 0, 1, b'e', b'n', b'f', 0])?;
    let mut answer = [0; 64];
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        socket.recv(&mut answer)?;
        if answer[0] == reply {
            return Ok(());
        }
    }
    Err(ErrorKind::TimedOut.into())
}
