//! Numbered datagrams from one pod to another, all the time: which of them arrive tells from when on
//! another policy judges.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use enforcer_lab::{LabError, Namespace};

/// The pause between two datagrams. The kernel adds to it what it takes to wake a thread.
const PAUSE: Duration = Duration::from_micros(150);

/// When nothing came for so long, what was sent before it is lost.
const SILENCE: Duration = Duration::from_millis(20);

/// How long a change may take at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// The times of so many datagrams are known; a power of two.
const KNOWN: usize = 1 << 17;

/// The port that is sent to.
const PORT: u16 = 9;

/// Numbered datagrams on their way; they end when this is dropped.
pub(super) struct Stream {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    begin: Instant,
    end: AtomicBool,
    /// When each of the last datagrams was sent, in nanoseconds from the beginning.
    times: Vec<AtomicU64>,
    /// How many were sent.
    sent: AtomicU64,
    /// The number behind that of the last one that arrived.
    arrived: AtomicU64,
    /// The first one that arrived behind the latest gap.
    resumed: AtomicU64,
    /// The first one of those that are being lost now; 0 while they arrive.
    lost: AtomicU64,
}

impl Stream {
    /// Begins to send.
    pub(super) fn start(from: &Namespace, to: &Namespace, address: IpAddr) -> Result<Self> {
        let target = SocketAddr::new(address, PORT);
        let sender = from.run(|| bind(SocketAddr::new(unspecified(address), 0)))?;
        sender.connect(target).context("connecting the stream")?;
        let receiver = to.run(|| bind(target))?;
        receiver
            .set_read_timeout(Some(SILENCE))
            .context("setting a time limit")?;
        let shared = Arc::new(Shared {
            begin: Instant::now(),
            end: AtomicBool::new(false),
            times: (0..KNOWN).map(|_| AtomicU64::new(0)).collect(),
            // So that 0 is no datagram's number.
            sent: AtomicU64::new(1),
            arrived: AtomicU64::new(1),
            resumed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let (near, far) = (shared.clone(), shared.clone());
        let threads = vec![
            thread::spawn(move || near.send(&sender)),
            thread::spawn(move || far.receive(&receiver)),
        ];
        Ok(Self { shared, threads })
    }

    /// How many were sent.
    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Waits until nothing arrives any more, and gives when the first one was sent of those that
    /// did not, which is not before `since`.
    pub(super) fn wait_for_silence(&self, since: Instant) -> Result<Instant> {
        self.wait(since, "arrive", |shared| {
            let first = shared.lost.load(Ordering::Acquire);
            (first != 0).then_some(first)
        })
    }

    /// Waits until datagrams arrive again, and gives when the first of those was sent, which is not
    /// before `since`.
    pub(super) fn wait_for_arrival(&self, since: Instant) -> Result<Instant> {
        self.wait(since, "do not arrive", |shared| {
            let arrive = shared.lost.load(Ordering::Acquire) == 0;
            arrive.then(|| shared.resumed.load(Ordering::Acquire))
        })
    }

    fn wait(
        &self,
        since: Instant,
        state: &str,
        known: impl Fn(&Shared) -> Option<u64>,
    ) -> Result<Instant> {
        let begin = Instant::now();
        loop {
            if let Some(number) = known(&self.shared) {
                let time = self.shared.time(number)?;
                if time >= since {
                    return Ok(time);
                }
            }
            if begin.elapsed() > PATIENCE {
                bail!("after {PATIENCE:?} datagrams still {state}; is the policy in force?");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn slot(&self, number: u64) -> Option<&AtomicU64> {
        let place = usize::try_from(number).ok()? % KNOWN;
        self.times.get(place)
    }

    fn time(&self, number: u64) -> Result<Instant> {
        let time = self.slot(number).map(|slot| slot.load(Ordering::Acquire));
        let age = self.sent.load(Ordering::Acquire).saturating_sub(number);
        match time {
            Some(time) if age < KNOWN as u64 => Ok(self.begin + Duration::from_nanos(time)),
            _ => bail!("datagram {number} is {age} datagrams old; its time is not known any more"),
        }
    }

    fn send(&self, socket: &UdpSocket) {
        for number in 1_u64.. {
            if self.end.load(Ordering::Relaxed) {
                return;
            }
            let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Some(slot) = self.slot(number) {
                slot.store(now, Ordering::Release);
            }
            // A refusal by the far side is no reason to end.
            let _ = socket.send(&number.to_be_bytes());
            self.sent.store(number + 1, Ordering::Release);
            thread::sleep(PAUSE);
        }
    }

    fn receive(&self, socket: &UdpSocket) {
        let mut buffer = [0; 8];
        while !self.end.load(Ordering::Relaxed) {
            let before = self.sent.load(Ordering::Acquire);
            match socket.recv(&mut buffer) {
                Ok(_) => self.arrive(u64::from_be_bytes(buffer)),
                Err(error) if is_silence(error.kind()) => {
                    let next = self.arrived.load(Ordering::Acquire);
                    // Where the sender got no time, silence tells nothing.
                    if before > next {
                        self.lost.store(next, Ordering::Release);
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn arrive(&self, number: u64) {
        if number != self.arrived.load(Ordering::Acquire) {
            self.resumed.store(number, Ordering::Release);
        }
        self.arrived.store(number + 1, Ordering::Release);
        self.lost.store(0, Ordering::Release);
    }
}

fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn bind(address: SocketAddr) -> Result<UdpSocket, LabError> {
    UdpSocket::bind(address).map_err(|source| LabError::Socket {
        what: format!("bind to {address}"),
        source,
    })
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
