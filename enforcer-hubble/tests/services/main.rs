//! A client over loopback against the server, for every method.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at its first surprise"
)]

mod authority;
mod flows;
mod peers;
mod status;
mod store;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use enforcer_hubble::{Listener, Node, Options, Tls, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use store::Store;

/// What must come, comes soon; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn node(tls: bool) -> Node {
    Node {
        cluster: "default".to_owned(),
        name: "n2".to_owned(),
        version: "0.1.0".to_owned(),
        tls,
    }
}

/// A server that ends with the test.
struct Running {
    address: String,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(store: &Store, tls: Option<Arc<Tls>>) -> Running {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let task = start(store, tls, Listener::Tcp(tcp));
    Running { address, task }
}

fn start(store: &Store, tls: Option<Arc<Tls>>, listener: Listener) -> JoinHandle<()> {
    let options = Options {
        node: node(tls.is_some()),
        tls,
    };
    let source = Arc::new(store.clone());
    tokio::spawn(async move {
        let ended = serve(options, source, listener, std::future::pending()).await;
        panic!("the server ended: {ended:?}");
    })
}

impl Running {
    async fn connect(&self) -> Channel {
        let url = format!("http://{}", self.address);
        Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }
}

/// Waits for what must come.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}
