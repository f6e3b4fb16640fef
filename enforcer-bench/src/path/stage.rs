//! A node of its own for each condition: the pods, the filter between them, and the proof that it
//! does what it is for.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use enforcer_lab::{
    Families, Lab, LabError, Namespace, Outcome, Pod, Protocol, Server, Shape, probe,
};
use nix::unistd::Pid;

use super::cluster::Cluster;
use super::condition::Condition;
use super::guard::{Guard, Held, is_legacy};
use super::traffic::{Cpus, PORTS, Path, pin_thread};

/// A port that policies allow, and one that none does.
const PORT: u16 = *PORTS.start();
const OTHER: u16 = *PORTS.end() + 1;

/// How long to wait for a packet that comes, and for one that does not.
const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);

/// Everything for one condition. What is first goes first.
pub(super) struct Stage {
    pub(super) condition: Condition,
    held: Held,
    /// The port of the last measurement.
    port: Cell<u16>,
    client: Pod,
    server: Pod,
    stranger: Pod,
    lab: Lab,
}

impl Stage {
    /// Builds it and proves that it works.
    pub(super) fn build(condition: Condition) -> Result<Self> {
        let lab = Lab::new(Shape::Ptp, Families::V4)?;
        let client = lab.add_pod("client")?;
        let server = lab.add_pod("server")?;
        let stranger = lab.add_pod("stranger")?;
        // A closed connection's port can be used again at once: a second's connections are more than
        // there are ports, and how many wait must not depend on how fast a filter is.
        client.sysctl("net/ipv4/tcp_max_tw_buckets", "0")?;
        let cluster = Cluster {
            policies: condition.policies,
            client: &client,
            server: &server,
            stranger: &stranger,
        };
        let held = condition.guard.build(&lab, &cluster)?;
        let stage = Self {
            condition,
            held,
            port: Cell::new(PORT),
            client,
            server,
            stranger,
            lab,
        };
        stage
            .verify()
            .context("the filter does not do what it is for")?;
        Ok(stage)
    }

    /// The way between the pods, to a port that no measurement had before, as long as there is one.
    pub(super) fn path(&self, cpus: Cpus) -> Path<'_> {
        let last = self.port.get();
        let port = if last < *PORTS.end() { last + 1 } else { PORT };
        self.port.set(port);
        Path {
            client: &self.client,
            server: &self.server,
            port,
            cpus,
        }
    }

    /// Keeps the daemon, if there is one, on these processors.
    pub(super) fn keep_daemon_on(&self, cpus: &[usize]) -> Result<()> {
        for thread in self.daemon_threads()? {
            let id = thread.rsplit('/').next().and_then(|id| id.parse().ok());
            pin_thread(
                Pid::from_raw(id.context("a thread without a number")?),
                cpus,
            )?;
        }
        Ok(())
    }

    /// The processor time that the daemon has taken, if there is one.
    pub(super) fn daemon_time(&self) -> Result<Duration> {
        let mut whole = Duration::ZERO;
        for thread in self.daemon_threads()? {
            let path = format!("{thread}/schedstat");
            let text = fs::read_to_string(&path).with_context(|| path.clone())?;
            let time = text.split(' ').next().and_then(|time| time.parse().ok());
            whole += Duration::from_nanos(time.with_context(|| format!("{path} has no time"))?);
        }
        Ok(whole)
    }

    /// The folders of the daemon's threads below `/proc`.
    fn daemon_threads(&self) -> Result<Vec<String>> {
        let threads = match &self.held {
            Held::Daemon(daemon) => format!("/proc/{}/task", daemon.id()),
            Held::Reader(reader) => return Ok(vec![format!("/proc/self/task/{}", reader.id())]),
            Held::Nothing | Held::Empty { .. } => return Ok(Vec::new()),
        };
        let entries = fs::read_dir(&threads).with_context(|| threads.clone())?;
        let folder =
            |entry: std::io::Result<fs::DirEntry>| Ok(entry?.path().to_string_lossy().into_owned());
        entries.map(folder).collect()
    }

    /// What policies allow passes; what they deny does not, unless nothing is there to deny it. So a
    /// probe that is denied is known to be one that would have arrived.
    fn verify(&self) -> Result<()> {
        let _servers = self.servers()?;
        let allowed = Outcome::Connected;
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let outcome = ask(&self.client, &self.server, PORT, protocol, PATIENCE)?;
            ensure!(
                outcome == allowed,
                "{protocol:?} from the client to the server: {outcome:?}, and policies allow it"
            );
        }
        let open = self.condition.guard.lets_all_pass();
        let denied = [
            ("stranger to server", &self.stranger, &self.server, PORT),
            (
                "client to another port of the server",
                &self.client,
                &self.server,
                OTHER,
            ),
            ("client to stranger", &self.client, &self.stranger, PORT),
        ];
        for (what, from, to, port) in denied {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let patience = if open { PATIENCE } else { SILENCE };
                let outcome = ask(from, to, port, protocol, patience)?;
                ensure!(
                    (outcome == allowed) == open,
                    "{protocol:?} from {what}: {outcome:?}, which is wrong"
                );
            }
        }
        self.verify_tracking()
    }

    /// The kernel's table of connections is in use where the filter stands on it, and nowhere else.
    pub(super) fn verify_tracking(&self) -> Result<()> {
        let tracked = self.tracked()?;
        let tracks = self.condition.guard.tracks();
        ensure!(
            (tracked > 0) == tracks,
            "the node tracks {tracked} connections, and should track {}",
            if tracks { "them" } else { "none" }
        );
        Ok(())
    }

    /// Whether the rules are in the kernel's own iptables; `None` where there are no such rules.
    pub(super) fn iptables_is_legacy(&self) -> Option<bool> {
        (self.condition.guard == Guard::Iptables).then(|| is_legacy(&self.lab))
    }

    /// Connections in the node's table.
    fn tracked(&self) -> Result<u64> {
        const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
        let count = self.lab.run(|| {
            fs::read_to_string(COUNT).map_err(|source| LabError::File {
                path: COUNT.into(),
                source,
            })
        })?;
        count
            .trim()
            .parse()
            .with_context(|| format!("{COUNT} is no number"))
    }

    fn servers(&self) -> Result<Vec<Server>> {
        let mut servers = Vec::new();
        for pod in [&self.server, &self.stranger] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                for port in [PORT, OTHER] {
                    servers.push(Server::start(pod, protocol, port)?);
                }
            }
        }
        Ok(servers)
    }
}

fn ask(
    from: &Namespace,
    to: &Pod,
    port: u16,
    protocol: Protocol,
    patience: Duration,
) -> Result<Outcome> {
    let address = to.v4().context("a pod without address")?;
    let to = SocketAddr::new(address, port);
    Ok(probe::reach(from, None, to, protocol, patience)?)
}
