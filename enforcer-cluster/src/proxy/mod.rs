//! A proxy before the API server that does to its clients what networks and servers do to them.
//!
//! It ends TLS with a certificate of the cluster's authority, so clients cannot tell it from the API
//! server (who they are must be told by tokens: client certificates end here), and speaks HTTP/1.1.

mod body;
mod exchange;
mod fault;
mod request;
mod serve;
mod state;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use enforcer_lab::{LabError, Namespace};
use tokio::sync::oneshot;

use crate::{ClusterError, ControlPlane};
use fault::Rule;
use serve::Endpoints;
use state::State;

pub use fault::{Ending, Fault, Link};
pub use request::Request;

/// A proxy before the API server; all its connections are cut when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts one on 127.0.0.1.
    pub fn start(plane: &ControlPlane) -> Result<Self, ClusterError> {
        let address = (Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(address).map_err(ClusterError::proxy)?;
        Self::run(plane, listener)
    }

    /// Starts one at an address inside a network namespace, for clients that reach the control
    /// plane only so.
    pub fn start_in(
        plane: &ControlPlane,
        namespace: &Namespace,
        address: IpAddr,
    ) -> Result<Self, ClusterError> {
        let listener = namespace.run(|| {
            TcpListener::bind((address, 0)).map_err(|source| LabError::Socket {
                what: format!("listening on {address} for the API server's proxy"),
                source,
            })
        })?;
        Self::run(plane, listener)
    }

    fn run(plane: &ControlPlane, listener: TcpListener) -> Result<Self, ClusterError> {
        listener
            .set_nonblocking(true)
            .map_err(ClusterError::proxy)?;
        let address = listener.local_addr().map_err(ClusterError::proxy)?;
        let endpoints = Endpoints::new(plane, address.ip())?;
        let state = Arc::new(State::new());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClusterError::proxy)?;
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve::accept(listener, endpoints, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What clients call the API server: `https://address:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of all connections from now on.
    pub fn link(&self, link: Link) {
        self.state.link.send_replace(link);
    }

    /// Cuts all connections that are open.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Ends all watches that are going on.
    pub fn end_watches(&self, ending: Ending) {
        let endings = &self.state.endings;
        endings.send_modify(|(times, how)| (*times, *how) = (*times + 1, ending));
    }

    /// Gives the next `times` requests that match this fault. Of several faults, the earliest given
    /// counts.
    pub fn fail(
        &self,
        times: usize,
        fault: Fault,
        matches: impl Fn(&Request) -> bool + Send + 'static,
    ) {
        let matches = Box::new(matches);
        self.state.add(Rule {
            matches,
            fault,
            times,
        });
    }

    /// Takes all faults back; gives how many had not been used up.
    pub fn heal(&self) -> usize {
        self.state.clear()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.seen()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
