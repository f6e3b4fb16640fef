//! Connections under load.

use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use enforcer_lab::{Connection, Namespace, Outcome};

use super::{LONG, within};

/// Time in which a connection that is cut must not get a single answer through.
const SILENCE: Duration = Duration::from_millis(500);
/// Time between two exchanges, so that many connections fit on a small machine.
const PACE: Duration = Duration::from_millis(2);

/// A connection that exchanges numbers all the time.
pub(crate) struct Live {
    pub(crate) name: String,
    pub(crate) client: SocketAddr,
    exchanges: Arc<AtomicU64>,
    socket: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    pub(crate) fn open(name: &str, from: &Namespace, to: IpAddr, port: u16) -> Self {
        let mut connection = Connection::open(from, SocketAddr::new(to, port), LONG).unwrap();
        let socket = connection.socket().unwrap();
        let exchanges = Arc::new(AtomicU64::new(0));
        let counter = exchanges.clone();
        let thread = thread::spawn(move || {
            while connection.exchange(LONG * 6) == Outcome::Connected {
                counter.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PACE);
            }
        });
        let live = Self {
            name: format!("{name} ({to} port {port})"),
            client: socket.local_addr().unwrap(),
            exchanges,
            socket,
            thread: Some(thread),
        };
        live.goes_on();
        live
    }

    pub(crate) fn count(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }

    /// Fails unless there are new exchanges.
    pub(crate) fn goes_on(&self) {
        // One may have been answered before what this is to be seen after.
        let wanted = self.count() + 3;
        let what = format!("{} goes on", self.name);
        within(LONG, &what, || self.count() >= wanted);
    }

    /// Fails if there is one more exchange than that which may be under way: the change is in
    /// force, so the next packet is cut.
    pub(crate) fn is_cut(&self) {
        let most = self.count() + 1;
        let end = Instant::now() + SILENCE;
        while Instant::now() < end {
            assert!(self.count() <= most, "{} is not cut", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Fails unless exchanges end soon, for good; gives when the last was seen.
    pub(crate) fn is_cut_within(&self, time: Duration) -> Instant {
        let begin = Instant::now();
        let mut last = (self.count(), Instant::now());
        while last.1.elapsed() < SILENCE {
            thread::sleep(Duration::from_millis(5));
            let now = self.count();
            if now != last.0 {
                last = (now, Instant::now());
            }
            assert!(begin.elapsed() < time + SILENCE, "{} is not cut", self.name);
        }
        last.1
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
