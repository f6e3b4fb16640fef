//! Traffic that goes on while other things happen.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use enforcer_cluster::RunningPod;

use super::common::LONG;
use super::common::echo::Echo;
use super::common::live::Live;
use super::common::within;

/// Time between two datagrams.
const PACE: Duration = Duration::from_millis(5);
/// How long a connection may take that must not come about.
const TRY: Duration = Duration::from_millis(100);

/// Conversations that policy allows, by TCP and UDP: not one packet may be lost.
pub(crate) struct Allowed {
    lives: Vec<Live>,
    echoes: Vec<Echo>,
}

impl Allowed {
    pub(crate) fn start(clients: &[&RunningPod], to: IpAddr) -> Self {
        let live = |pod: &&RunningPod| Live::open(&pod.name, pod, to, 80);
        let echo = |pod: &&RunningPod| Echo::open(&pod.name, pod, SocketAddr::new(to, 53));
        Self {
            lives: clients.iter().map(live).collect(),
            echoes: clients.iter().map(echo).collect(),
        }
    }

    pub(crate) fn go_on(&self) {
        self.lives.iter().for_each(Live::goes_on);
        self.echoes.iter().for_each(Echo::goes_on);
    }
}

/// A pod that tries all the time to reach what it may not.
pub(crate) struct Hammer {
    name: String,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    end: AtomicBool,
    tries: AtomicU64,
    successes: AtomicU64,
}

impl Shared {
    fn ends(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn tried(&self, success: bool) {
        self.tries.fetch_add(1, Ordering::Relaxed);
        self.successes.fetch_add(success.into(), Ordering::Relaxed);
    }
}

impl Hammer {
    pub(crate) fn start(from: &Arc<RunningPod>, to: IpAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let thread = |work: fn(IpAddr, &Shared)| {
            let (pod, shared) = (Arc::clone(from), Arc::clone(&shared));
            thread::spawn(move || {
                pod.run(|| {
                    work(to, &shared);
                    Ok(())
                })
                .unwrap();
            })
        };
        let threads = vec![thread(by_tcp), thread(by_udp)];
        let name = format!("{} → {to}", from.name);
        Self {
            name,
            shared,
            threads,
        }
    }

    /// Fails if one packet ever got through; waits for some that did not.
    pub(crate) fn got_nothing(&self) {
        let tries = || self.shared.tries.load(Ordering::Relaxed);
        let wanted = tries() + 20;
        within(LONG, &format!("{} tries on", self.name), || {
            tries() >= wanted
        });
        let successes = self.shared.successes.load(Ordering::Relaxed);
        assert_eq!(successes, 0, "{}: of {} tries", self.name, tries());
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn by_tcp(to: IpAddr, shared: &Shared) {
    while !shared.ends() {
        let outcome = TcpStream::connect_timeout(&SocketAddr::new(to, 80), TRY);
        // A refusal comes from the other side, too.
        let refused = outcome.as_ref().err().map(std::io::Error::kind);
        let reached = outcome.is_ok() || refused == Some(ErrorKind::ConnectionRefused);
        shared.tried(reached);
    }
}

fn by_udp(to: IpAddr, shared: &Shared) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(SocketAddr::new(to, 53)).unwrap();
    socket.set_read_timeout(Some(PACE)).unwrap();
    let mut answer = [0; 64];
    while !shared.ends() {
        let sent = socket.send(b"hammer").is_ok();
        shared.tried(sent && socket.recv(&mut answer).is_ok());
    }
}
