//! A connection that stays open.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::once;

/// Uses the connection that is there, or makes one. It is kept only when the whole exchange succeeds in
/// time: an answer that comes later is nobody's.
pub(super) async fn exchange(kept: &mut Option<TcpStream>, to: SocketAddr) -> io::Result<()> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(to).await?,
    };
    once::exchange(&mut stream).await?;
    *kept = Some(stream);
    Ok(())
}
