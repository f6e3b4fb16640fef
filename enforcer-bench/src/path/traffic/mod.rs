//! Traffic between two pods: three generators, each with its client and its server on threads that
//! stay on their processor.

mod connect;
mod latency;
mod packets;
mod wait;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use enforcer_lab::{LabError, Pod};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

pub(super) use connect::connections;
pub(super) use latency::latency;
pub(super) use packets::packets;
use wait::Waiting;

/// The ports that policies allow, for TCP and UDP.
pub(super) const PORTS: RangeInclusive<u16> = 7000..=7499;

/// Where a generator runs.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    pub(super) client: &'a Pod,
    pub(super) server: &'a Pod,
    /// The server's port. Each measurement has one of its own: a connection between ports that another
    /// had before it is not new to who remembers that one.
    pub(super) port: u16,
    pub(super) cpus: Cpus,
}

/// The processors of a client and of its server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpus {
    pub(super) client: usize,
    pub(super) server: usize,
}

impl Cpus {
    /// One for each, where this process has two.
    pub(super) fn apart() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("which processors are there")?;
        let mut usable = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu) == Ok(true));
        let client = usable.next().context("this process has no processor")?;
        let server = usable.next().unwrap_or(client);
        Ok(Self { client, server })
    }

    /// How the sides wait for each other there.
    const fn waiting(self) -> Waiting {
        if self.client == self.server {
            Waiting::Sleeping
        } else {
            Waiting::Asking
        }
    }

    /// One for both.
    pub(super) const fn together(self) -> Self {
        Self {
            client: self.client,
            server: self.client,
        }
    }
}

impl Path<'_> {
    fn address(&self) -> Result<SocketAddr> {
        let address = self.server.v4().context("the server has no address")?;
        Ok(SocketAddr::new(address, self.port))
    }

    /// A socket in the server's namespace, bound to the port.
    fn server_socket(&self, kind: Type) -> Result<Socket> {
        let address = self.address()?;
        socket(self.server, kind, "make a server's socket", |socket| {
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            if kind == Type::STREAM {
                socket.listen(1024)?;
            }
            Ok(())
        })
    }

    /// A socket in the client's namespace. A socket belongs to the namespace in which it was made,
    /// whoever uses it.
    fn client_socket(&self, kind: Type) -> Result<Socket> {
        socket(self.client, kind, "make a client's socket", |_| Ok(()))
    }
}

fn socket(
    at: &Pod,
    kind: Type,
    what: &str,
    prepare: impl FnOnce(&Socket) -> std::io::Result<()> + Send,
) -> Result<Socket> {
    let made = at.run(|| {
        let socket = Socket::new(Domain::IPV4, kind, None).and_then(|socket| {
            prepare(&socket)?;
            Ok(socket)
        });
        socket.map_err(|source| LabError::Socket {
            what: what.to_owned(),
            source,
        })
    });
    made.with_context(|| format!("in pod {}", at.name))
}

/// Keeps the calling thread on one processor.
fn pin(cpu: usize) -> Result<()> {
    pin_thread(Pid::from_raw(0), &[cpu])
}

/// Keeps a thread on these processors.
pub(super) fn pin_thread(thread: Pid, cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cpus.iter()
        .try_for_each(|cpu| set.set(*cpu))
        .and_then(|()| sched_setaffinity(thread, &set))
        .with_context(|| format!("keeping thread {thread} on processors {cpus:?}"))
}

/// Runs a server until the client has ended, which then stops it; each in its pod and on its
/// processor.
fn together<T: Send>(
    path: &Path<'_>,
    server: impl FnOnce() -> Result<()> + Send,
    client: impl FnOnce() -> Result<T> + Send,
    stop: impl FnOnce(),
) -> Result<T> {
    thread::scope(|scope| {
        let serving = scope.spawn(|| inside(path.server, path.cpus.server, server));
        let asking = scope.spawn(|| inside(path.client, path.cpus.client, client));
        let asked = asking.join();
        stop();
        let served = serving.join();
        let panicked = |_| anyhow!("a thread of the generator panicked");
        served.map_err(panicked)??;
        asked.map_err(panicked)?
    })
}

/// Works in a pod, on one processor.
fn inside<T: Send>(pod: &Pod, cpu: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let worked = pod.run(|| Ok(pin(cpu).and_then(|()| work())));
    worked.with_context(|| format!("in pod {}", pod.name))?
}

/// The time before the measured time, in which caches and queues settle.
fn warm_up(time: Duration) -> Duration {
    time / 10
}
