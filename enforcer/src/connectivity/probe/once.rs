//! Attempts that know nothing of each other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::connectivity::attempt::{Target, Way};

/// What goes there and back.
pub(super) const WORD: [u8; 8] = *b"enforcer";

/// Whether something goes there and comes back.
pub(super) async fn reach(target: Target) -> io::Result<()> {
    match target.way {
        Way::Udp => ask(target.address).await,
        Way::Tcp | Way::Kept => {
            let mut stream = TcpStream::connect(target.address).await?;
            exchange(&mut stream).await?;
            // Thousands of them would wait for late packets of theirs.
            stream.set_zero_linger()
        }
    }
}

/// Sends a word and waits for it.
pub(super) async fn exchange(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&WORD).await?;
    let mut answer = WORD;
    answer.fill(0);
    stream.read_exact(&mut answer).await?;
    if answer == WORD {
        return Ok(());
    }
    Err(io::Error::other("somebody else answers there"))
}

async fn ask(to: SocketAddr) -> io::Result<()> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    socket.send(&WORD).await?;
    let mut answer = [0; WORD.len()];
    socket.recv(&mut answer).await?;
    Ok(())
}
