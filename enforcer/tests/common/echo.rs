//! Numbered packets, each of which must be answered.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use enforcer_lab::Namespace;

use super::{LONG, within};

/// How long an answer is waited for before the packet counts as lost: much longer than any machine
/// takes to echo a packet.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Time between two packets, so that many conversations fit on a small machine.
const PACE: Duration = Duration::from_millis(5);
/// Time in which a conversation that is cut must not get a single answer.
const SILENCE: Duration = Duration::from_millis(300);

/// A conversation by UDP that notices every lost packet, unlike TCP, which sends it again.
pub(crate) struct Echo {
    pub(crate) name: String,
    pub(crate) client: SocketAddr,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    end: AtomicBool,
    answered: AtomicU64,
    lost: AtomicU64,
}

impl Echo {
    /// Begins one with a served port.
    pub(crate) fn open(name: &str, from: &Namespace, to: SocketAddr) -> Self {
        let any: SocketAddr = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }
            .parse()
            .unwrap();
        let socket = from
            .run(|| {
                let socket = UdpSocket::bind(any).unwrap();
                socket.connect(to).unwrap();
                Ok(socket)
            })
            .unwrap();
        let client = socket.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread = thread::spawn(move || converse(&socket, &shared));
        let echo = Self {
            name: format!("{name} ({client} → {to} UDP)"),
            client,
            counts,
            thread: Some(thread),
        };
        echo.goes_on();
        echo
    }

    fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Fails unless there are new answers, and not one was ever missing.
    pub(crate) fn goes_on(&self) {
        let wanted = self.answered() + 3;
        within(LONG, &format!("{} goes on", self.name), || {
            self.answered() >= wanted
        });
        let lost = self.counts.lost.load(Ordering::Relaxed);
        assert_eq!(lost, 0, "{} lost packets", self.name);
    }

    /// Fails if there is one more answer than that which may be under way: the change is in force,
    /// so the next packet is cut.
    pub(crate) fn is_cut(&self) {
        let most = self.answered() + 1;
        let end = Instant::now() + SILENCE;
        while Instant::now() < end {
            assert!(self.answered() <= most, "{} is not cut", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.counts.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn converse(socket: &UdpSocket, counts: &Counts) {
    let mut answer = [0; 64];
    for number in 0_u64.. {
        if counts.end.load(Ordering::Relaxed) {
            return;
        }
        // What cannot even be sent is as lost as what is dropped on the way.
        let sent = socket.send(&number.to_be_bytes()).is_ok();
        let end = Instant::now() + PATIENCE;
        let mut found = false;
        while sent && !found && !counts.end.load(Ordering::Relaxed) {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                break;
            };
            let wait = left.clamp(Duration::from_millis(1), Duration::from_millis(100));
            socket.set_read_timeout(Some(wait)).unwrap();
            found =
                matches!(socket.recv(&mut answer), Ok(8) if answer[..8] == number.to_be_bytes());
        }
        if found {
            counts.answered.fetch_add(1, Ordering::Relaxed);
        } else if !counts.end.load(Ordering::Relaxed) {
            counts.lost.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(PACE);
    }
}
