//! Connections of clients.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::tls::Tls;

/// Connections that there may be at a time. Relay has one, each CLI one.
const MOST: usize = 32;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait when the system gives no connection: it may be short of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where clients come from.
#[derive(Debug)]
pub enum Listener {
    /// The node's own, or other nodes.
    Tcp(TcpListener),
    /// The node's own, by a file of this name.
    Unix(UnixListener),
}

/// One connection; with TLS, after its handshake.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    _place: OwnedSemaphorePermit,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connections as they come, until nobody takes them any more. With TLS, one that has not said yet who it is
/// holds up no other. The file of a Unix socket says who may connect; so that is plain.
pub(crate) fn incoming(
    listener: Listener,
    tls: Option<Arc<Tls>>,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let ended = sender.clone();
        tokio::select! {
            () = accept(listener, tls, sender) => {}
            () = ended.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

type Ready = mpsc::Sender<io::Result<Connection>>;

async fn accept(listener: Listener, tls: Option<Arc<Tls>>, ready: Ready) {
    let places = Arc::new(Semaphore::new(MOST));
    // It fails when the semaphore is closed, which nobody does.
    while let Ok(place) = places.clone().acquire_owned().await {
        match next(&listener).await {
            Ok(Accepted::Plain(stream)) => {
                let connection = Connection {
                    stream,
                    _place: place,
                };
                if ready.send(Ok(connection)).await.is_err() {
                    return;
                }
            }
            Ok(Accepted::Tcp(stream)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(greet(stream, tls.clone(), place, ready.clone()));
            }
            Err(error) => {
                tracing::debug!(%error, "no connection of a client of Hubble's services");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

enum Accepted {
    Plain(Box<dyn Stream>),
    Tcp(TcpStream),
}

async fn next(listener: &Listener) -> io::Result<Accepted> {
    Ok(match listener {
        Listener::Tcp(tcp) => Accepted::Tcp(tcp.accept().await?.0),
        Listener::Unix(unix) => Accepted::Plain(Box::new(unix.accept().await?.0)),
    })
}

/// Has the handshake with a client, by the certificates of this moment.
async fn greet(tcp: TcpStream, tls: Option<Arc<Tls>>, place: OwnedSemaphorePermit, ready: Ready) {
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(tcp),
        Some(tls) => {
            // What cannot be used was logged.
            let Some(config) = tls.config() else { return };
            let greeting = TlsAcceptor::from(config).accept(tcp);
            match tokio::time::timeout(HANDSHAKE, greeting).await {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => {
                    return tracing::debug!(%error, "a client of Hubble's services is not let in");
                }
                Err(_) => return tracing::debug!("a client of Hubble's services says nothing"),
            }
        }
    };
    let connection = Connection {
        stream,
        _place: place,
    };
    // Without a receiver the server has ended.
    let _ = ready.send(Ok(connection)).await;
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
