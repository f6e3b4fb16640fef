//! What the test's servers do: they send back what they receive.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// A port that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve {protocol} port {port}: {source}")]
pub struct ServeError {
    protocol: &'static str,
    port: u16,
    source: io::Error,
}

/// Serves all these ports on all addresses until it is dropped.
///
/// # Errors
/// When a port cannot be bound.
pub async fn serve(tcp: &[u16], udp: &[u16]) -> Result<(), ServeError> {
    let mut servers = JoinSet::new();
    for port in tcp {
        let failed = failed("TCP", *port);
        let bound = either(*port, TcpListener::bind::<SocketAddr>).await;
        servers.spawn(accept(bound.map_err(failed)?));
    }
    for port in udp {
        let failed = failed("UDP", *port);
        let bound = either(*port, UdpSocket::bind::<SocketAddr>).await;
        servers.spawn(answer(bound.map_err(failed)?));
    }
    while servers.join_next().await.is_some() {}
    Ok(())
}

fn failed(protocol: &'static str, port: u16) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError {
        protocol,
        port,
        source,
    }
}

/// Binds for both families at once, or for IPv4 where the kernel has no other.
async fn either<T, F: Future<Output = io::Result<T>>>(
    port: u16,
    bind: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let any = |address: IpAddr| SocketAddr::new(address, port);
    match bind(any(Ipv6Addr::UNSPECIFIED.into())).await {
        Ok(bound) => Ok(bound),
        Err(_) => bind(any(Ipv4Addr::UNSPECIFIED.into())).await,
    }
}

async fn accept(listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        } else {
            // No file descriptors are left, or the like.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Both halves live as long as the client; one that vanished costs a socket until the pod goes.
async fn echo(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (mut from, mut to) = stream.split();
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn answer(socket: UdpSocket) {
    let mut buffer = [0; 2048];
    loop {
        // An error is about a client that is gone.
        if let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], client).await;
        }
    }
}
