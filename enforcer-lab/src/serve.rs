//! Servers inside a namespace. All of them send back what they receive.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::{LabError, Namespace, Protocol};

/// How often a server looks whether it shall end.
const PATIENCE: Duration = Duration::from_millis(20);

/// A running server; it ends when dropped, with its connections.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    end: AtomicBool,
    served: AtomicUsize,
}

impl Server {
    /// Serves a port on all addresses that the namespace has at this moment.
    pub fn start(at: &Namespace, protocol: Protocol, port: u16) -> Result<Self, LabError> {
        if !protocol.is_supported() {
            return Err(LabError::Unsupported("SCTP"));
        }
        let shared = Arc::new(Shared::default());
        let threads = match protocol {
            Protocol::Tcp | Protocol::Sctp => {
                let listener = at.run(|| listen(protocol, port))?;
                let shared = shared.clone();
                vec![thread::spawn(move || accept(&listener, &shared))]
            }
            Protocol::Udp => {
                let sockets = at.run(|| bind_everywhere(port))?;
                let serve = |socket| {
                    let shared = shared.clone();
                    thread::spawn(move || answer(&socket, &shared))
                };
                sockets.into_iter().map(serve).collect()
            }
        };
        Ok(Self { shared, threads })
    }

    /// How many connections it accepted, or how many datagrams it answered.
    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn ends(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

/// One socket for both families.
fn listen(protocol: Protocol, port: u16) -> Result<Socket, LabError> {
    let wanted = (protocol == Protocol::Sctp).then_some(socket2::Protocol::SCTP);
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    let prepare = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, wanted)?;
        socket.set_only_v6(false)?;
        socket.set_reuse_address(true)?;
        socket.bind(&any.into())?;
        socket.listen(128)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    };
    when_free(prepare).map_err(LabError::socket(format!("listen at port {port}")))
}

/// Binds, again and again for a while when the address is in use: a program that another thread
/// starts at this moment holds what has just been closed until it runs.
fn when_free<T>(bind: impl Fn() -> io::Result<T>) -> io::Result<T> {
    const ENOUGH: Duration = Duration::from_secs(5);
    let end = Instant::now() + ENOUGH;
    loop {
        match bind() {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < end => {
                thread::sleep(PATIENCE);
            }
            outcome => return outcome,
        }
    }
}

fn accept(listener: &Socket, shared: &Arc<Shared>) {
    let mut connections = Vec::new();
    while !shared.ends() {
        // The listener's read time limit is its time limit for accepting.
        if let Ok((socket, _)) = listener.accept() {
            shared.count();
            let shared = shared.clone();
            connections.push(thread::spawn(move || echo(&socket.into(), &shared)));
        }
    }
    for connection in connections {
        let _ = connection.join();
    }
}

fn echo(mut stream: &TcpStream, shared: &Shared) {
    let mut buffer = [0; 4096];
    if stream.set_read_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    while !shared.ends() {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) if stream.write_all(&buffer[..length]).is_err() => return,
            Err(error) if !is_idle(&error) => return,
            _ => {}
        }
    }
}

/// One socket for each address, so that each answer comes from the address that was asked.
fn bind_everywhere(port: u16) -> Result<Vec<UdpSocket>, LabError> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(LabError::system("list addresses"))?;
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    // On point-to-point links the node has the same address many times.
    let addresses: BTreeSet<IpAddr> = addresses.collect();
    addresses
        .into_iter()
        .filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .map(|address| {
            let address = SocketAddr::new(address, port);
            let socket = when_free(|| UdpSocket::bind(address))
                .map_err(LabError::socket(format!("serve UDP at {address}")))?;
            socket
                .set_read_timeout(Some(PATIENCE))
                .map_err(LabError::socket("set a time limit"))?;
            Ok(socket)
        })
        .collect()
}

fn answer(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 4096];
    while !shared.ends() {
        if let Ok((length, client)) = socket.recv_from(&mut buffer) {
            shared.count();
            // A client that is gone needs no answer.
            let _ = socket.send_to(&buffer[..length], client);
        }
    }
}

fn is_idle(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
