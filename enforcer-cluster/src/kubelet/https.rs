//! The HTTPS server that the API server passes requests on to.

use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::route::{self, Shared};
use super::table::Table;
use crate::{ClusterError, ControlPlane, tls};

/// Where it listens.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The server of one kubelet, on a thread of its own: the kubelet's waits for namespaces. It asks nobody
/// who he is.
#[derive(Debug)]
pub(super) struct Https {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Https {
    pub(super) fn start(
        plane: &ControlPlane,
        node: &str,
        table: Arc<Table>,
    ) -> Result<Self, ClusterError> {
        let failed = || ClusterError::kubelet(node);
        let acceptor = tls::acceptor(plane, &ADDRESS.to_string())?;
        let listener = TcpListener::bind((ADDRESS, 0)).map_err(failed())?;
        listener.set_nonblocking(true).map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed())?;
        let (stop, stopped) = oneshot::channel();
        let shared = Shared { table };
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, acceptor, shared) => {}
                    _ = stopped => {}
                }
            });
            // What enters a namespace just now is not waited for.
            runtime.shutdown_background();
        });
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes connections for ever.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Shared) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptors are left, or the like.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        tokio::spawn(talk(stream, acceptor.clone(), shared.clone()));
    }
}

async fn talk(stream: TcpStream, acceptor: TlsAcceptor, shared: Shared) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request| ready(Ok::<_, Infallible>(route::answer(request, &shared))));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.with_upgrades().await;
}
