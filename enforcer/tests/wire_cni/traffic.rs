//! Datagrams, counted.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use enforcer_lab::Namespace;
use nix::sched::{CloneFlags, setns};

/// Time for packets that should not arrive.
pub(crate) const A_WHILE: Duration = Duration::from_millis(300);

/// Counts the datagrams that arrive at a port of a namespace.
pub(crate) struct Receiver {
    count: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn start(at: &Namespace, port: u16) -> Self {
        let socket = at
            .run(|| Ok(UdpSocket::bind(("::", port)).unwrap()))
            .unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let (count, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counter, stopped) = (count.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                counter.fetch_add(socket.recv(&mut [0; 64]).is_ok().into(), Ordering::Relaxed);
            }
        });
        Self {
            count,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Sends datagrams as fast as it may, from its start until it is stopped.
pub(crate) struct Sender {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    /// The namespace need not have a link yet.
    pub(crate) fn start(at: &Namespace, to: &[IpAddr], port: u16) -> Self {
        let file = std::fs::File::open(at.path()).unwrap();
        let to: Vec<SocketAddr> = to.iter().map(|to| (*to, port).into()).collect();
        let (sent, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counter, stopped) = (sent.clone(), stop.clone());
        let thread = thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            let v4 = UdpSocket::bind("0.0.0.0:0").unwrap();
            let v6 = UdpSocket::bind("[::]:0").unwrap();
            while !stopped.load(Ordering::Relaxed) {
                for to in &to {
                    let socket = if to.is_ipv4() { &v4 } else { &v6 };
                    counter.fetch_add(
                        socket.send_to(b"first", to).is_ok().into(),
                        Ordering::Relaxed,
                    );
                }
                thread::yield_now();
            }
        });
        Self {
            sent,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}
