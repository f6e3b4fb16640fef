//! The servers of a round: one task for each socket, all on the round's own thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use enforcer_lab::Namespace;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;

use crate::common::LONG;

/// The upper half of every token on the wire.
const MAGIC: u64 = 0x656e_6652;
/// Bytes of a token.
pub(crate) const TOKEN: usize = 8;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// What has been seen so far, by the questions' numbers.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Where each arrived, and from whom as seen there.
    pub(crate) arrived: RefCell<BTreeMap<u64, BTreeSet<(SocketAddr, IpAddr)>>>,
    /// By a client that is connected.
    pub(crate) connected: RefCell<HashSet<u64>>,
    /// By the one who asked.
    pub(crate) answered: RefCell<HashSet<u64>>,
    /// The servers' ends of TCP connections, by their clients.
    servers: RefCell<BTreeMap<SocketAddr, UnboundedSender<[u8; TOKEN]>>>,
    /// Tells of each new answer.
    pub(crate) news: Notify,
}

impl Seen {
    pub(crate) fn arrival(&self, id: u64, at: SocketAddr, from: IpAddr) {
        let place = (plain(at), plain(SocketAddr::new(from, 0)).ip());
        self.arrived
            .borrow_mut()
            .entry(id)
            .or_default()
            .insert(place);
        self.news.notify_one();
    }

    pub(crate) fn answer(&self, id: u64) {
        self.answered.borrow_mut().insert(id);
        self.news.notify_one();
    }
}

impl Seen {
    /// Makes the server speak on the connection of a client, if it has one.
    pub(crate) fn speak(&self, client: SocketAddr, id: u64) -> bool {
        let servers = self.servers.borrow();
        let server = servers.get(&client);
        server.is_some_and(|server| server.send(token(id)).is_ok())
    }
}

/// An IPv4 address that a socket of both families shows as one of IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A question's number as bytes.
pub(crate) fn token(id: u64) -> [u8; TOKEN] {
    (MAGIC << 32 | id).to_be_bytes()
}

/// The number at the end of a packet.
pub(crate) fn read_token(packet: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(*packet.last_chunk()?);
    (number >> 32 == MAGIC).then_some(number & u64::from(u32::MAX))
}

/// A host's servers; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Servers {
    _tasks: JoinSet<()>,
    /// Sockets for packets of a protocol, also for sending: by address and protocol.
    pub(crate) raw: Vec<(IpAddr, u8, Rc<UdpSocket>)>,
}

struct Sockets {
    listeners: Vec<Socket>,
    datagrams: Vec<Socket>,
    raw: Vec<(IpAddr, u8, Socket)>,
}

impl Servers {
    /// Serves these ports by TCP and UDP at these addresses, and receives all that has no ports.
    pub(crate) fn start(
        seen: &Rc<Seen>,
        at: &Namespace,
        addresses: &[IpAddr],
        ports: &[u16],
    ) -> Self {
        let sockets = at.run(|| Ok(open(addresses, ports))).unwrap();
        let mut tasks = JoinSet::new();
        for listener in sockets.listeners {
            let listener = TcpListener::from_std(listener.into()).unwrap();
            tasks.spawn_local(accept(listener, seen.clone()));
        }
        for socket in sockets.datagrams {
            let socket = UdpSocket::from_std(socket.into()).unwrap();
            tasks.spawn_local(answer(socket, seen.clone()));
        }
        let mut raw = Vec::new();
        for (address, protocol, socket) in sockets.raw {
            // To tokio, sockets of messages are all the same.
            let socket = Rc::new(UdpSocket::from_std(socket.into()).unwrap());
            tasks.spawn_local(receive(socket.clone(), (address, protocol), seen.clone()));
            raw.push((address, protocol, socket));
        }
        Self { _tasks: tasks, raw }
    }
}

fn open(addresses: &[IpAddr], ports: &[u16]) -> Sockets {
    let mut sockets = Sockets {
        listeners: Vec::new(),
        datagrams: Vec::new(),
        raw: Vec::new(),
    };
    for port in ports {
        let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), *port);
        let socket = bound(any, Type::STREAM, None);
        socket.listen(BACKLOG).unwrap();
        sockets.listeners.push(socket);
        for address in addresses {
            let here = SocketAddr::new(*address, *port);
            sockets.datagrams.push(bound(here, Type::DGRAM, None));
        }
    }
    for address in addresses {
        let icmp = if address.is_ipv6() { 58 } else { 1 };
        for protocol in [icmp, 47, 132] {
            let here = SocketAddr::new(*address, 0);
            let socket = bound(here, Type::RAW, Some(protocol.into()));
            sockets
                .raw
                .push((*address, u8::try_from(protocol).unwrap(), socket));
        }
    }
    sockets
}

/// A socket of the calling thread's namespace that never blocks.
pub(crate) fn bound(address: SocketAddr, kind: Type, protocol: Option<Protocol>) -> Socket {
    let socket = Socket::new(Domain::for_address(address), kind, protocol).unwrap();
    if address.ip().is_unspecified() {
        socket.set_only_v6(false).unwrap();
    }
    socket.set_reuse_address(true).unwrap();
    let begin = Instant::now();
    // A new IPv6 address is tentative for a moment.
    while let Err(error) = socket.bind(&address.into()) {
        let new = error.kind() == ErrorKind::AddrNotAvailable;
        assert!(new && begin.elapsed() < LONG, "bind to {address}: {error}");
        thread::sleep(Duration::from_millis(2));
    }
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn accept(listener: TcpListener, seen: Rc<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        // A client that is gone before it is accepted is none.
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn_local(echo(stream, seen.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn echo(stream: TcpStream, seen: Rc<Seen>) {
    // A client that is gone by now wants nothing.
    let (Ok(at), Ok(from)) = (stream.local_addr(), stream.peer_addr()) else {
        return;
    };
    let (mut reader, mut writer) = stream.into_split();
    let (sender, mut words) = mpsc::unbounded_channel();
    seen.servers
        .borrow_mut()
        .insert(plain(from), sender.clone());
    let write = async move {
        while let Some(word) = words.recv().await {
            if writer.write_all(&word).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        let mut word = [0; TOKEN];
        while reader.read_exact(&mut word).await.is_ok() {
            if let Some(id) = read_token(&word) {
                seen.arrival(id, at, from.ip());
            }
            if sender.send(word).is_err() {
                return;
            }
        }
    };
    // A connection that breaks is its client's to notice.
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    seen.servers.borrow_mut().remove(&plain(from));
}

async fn answer(socket: UdpSocket, seen: Rc<Seen>) {
    let mut buffer = [0; 64];
    let at = socket.local_addr().unwrap();
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if let Some(id) = read_token(&buffer[..length]) {
            seen.arrival(id, at, client.ip());
        }
        // A client that is gone needs no answer.
        let _ = socket.send_to(&buffer[..length], client).await;
    }
}

async fn receive(socket: Rc<UdpSocket>, (address, protocol): (IpAddr, u8), seen: Rc<Seen>) {
    let mut buffer = [0; 256];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            // That of a packet sent before, such as "unreachable".
            continue;
        };
        let packet = &buffer[..length];
        if let Some(id) = read_token(packet).filter(|_| is_request(protocol, packet)) {
            let port = if protocol == 132 {
                sctp_port(packet, address)
            } else {
                0
            };
            seen.arrival(id, SocketAddr::new(address, port), from.ip());
        }
    }
}

/// The destination port of an SCTP packet.
fn sctp_port(packet: &[u8], at: IpAddr) -> u16 {
    let start = if at.is_ipv4() {
        usize::from(packet[0] & 15) * 4
    } else {
        0
    };
    u16::from_be_bytes([packet[start + 2], packet[start + 3]])
}

/// Errors quote what they are about, and so its token, wherever that has been.
fn is_request(protocol: u8, packet: &[u8]) -> bool {
    match protocol {
        // Raw IPv4 sockets give the IP header too.
        1 => packet.get(usize::from(packet[0] & 15) * 4) == Some(&8),
        58 => packet.first() == Some(&128),
        _ => true,
    }
}
