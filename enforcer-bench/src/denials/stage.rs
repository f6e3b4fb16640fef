//! A node with a pod that lets nobody in, a daemon, and the world outside.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use enforcer::api::client;
use enforcer::api::flows::Line;
use enforcer_flows::Query;
use enforcer_lab::{Daemon, Families, Lab, Pod, Wire};
use serde_json::json;

use super::accounts::{Account, cpu_time};
use super::storm::{Aim, Shape};

const START: Duration = Duration::from_secs(120);

/// How long the last records may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the programs count here.
const DROPPED: &str = "ingress/policy-denied";

pub(super) struct Stage {
    told: Arc<Told>,
    aim: Aim,
    // In this order: the daemon goes before the pod.
    daemon: Daemon,
    _pod: Pod,
    _lab: Lab,
}

/// What a follower of the daemon has seen.
#[derive(Default)]
struct Told {
    records: AtomicU64,
    packets: AtomicU64,
    missed: AtomicU64,
}

/// Totals at one moment.
struct Totals {
    dropped: u64,
    recorded: u64,
    unrecorded: u64,
    records: u64,
    cpu: Duration,
}

impl Stage {
    pub(super) fn new(program: &Path) -> Result<Self> {
        let lab = Lab::new(enforcer_lab::Shape::Ptp, Families::V4)?;
        let pod = lab.add_pod("shut")?;
        let Some(IpAddr::V4(address)) = pod.v4() else {
            bail!("a pod without IPv4 address");
        };
        // The world outside has all sources that there are.
        for link in ["all", "uplink0"] {
            lab.node
                .sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "0")?;
        }
        let manifests = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "shut", "labels": {"app": "shut"}},
                "spec": {"nodeName": "node", "containers": [{"name": "main"}]},
                "status": {"podIPs": [{"ip": address}]}},
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}},
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": "shut"},
                "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}},
        ]});
        lab.write_manifest("cluster.json", &manifests.to_string())?;
        let daemon = lab.start(program, "--node node")?;
        daemon.wait_ready(START).context("waiting for the daemon")?;
        let told = Arc::<Told>::default();
        follow(&daemon, &told)?;
        Ok(Self {
            told,
            aim: Aim {
                wire: Wire::open(&lab.outside, "eth0")?,
                node: Wire::open(&lab.node, "uplink0")?.mac,
                pod: address,
            },
            daemon,
            _pod: pod,
            _lab: lab,
        })
    }

    pub(super) fn log(&self) -> String {
        self.daemon.log()
    }

    /// Sends frames, and says how many and for how long.
    pub(super) fn storm(&self, shape: Shape, rate: u32, time: Duration) -> Result<(u64, Duration)> {
        let begin = Instant::now();
        let sent = self.aim.storm(shape, rate, time)?;
        Ok((sent, begin.elapsed()))
    }

    /// Accounts for what a storm has sent.
    pub(super) fn account(
        &self,
        storm: impl FnOnce() -> Result<(u64, Duration)>,
    ) -> Result<Account> {
        let before = self.totals()?;
        let (sent, time) = storm()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let after = self.totals()?;
            let account = Account {
                sent,
                dropped: after.dropped - before.dropped,
                recorded: after.recorded - before.recorded,
                unrecorded: after.unrecorded - before.unrecorded,
                records: after.records - before.records,
                storm_s: time.as_secs_f64(),
                cpu_s: after.cpu.saturating_sub(before.cpu).as_secs_f64(),
            };
            let missed = self.told.missed.load(Ordering::SeqCst);
            ensure!(missed == 0, "the follower missed {missed} records");
            if account.dropped == sent && account.recorded + account.unrecorded == sent {
                return Ok(account);
            }
            ensure!(Instant::now() < end, "the sums do not agree: {account:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn totals(&self) -> Result<Totals> {
        let cpu = cpu_time(self.daemon.id())?;
        let status = client::status(self.daemon.socket(), false)?;
        let of = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.get(DROPPED).copied().unwrap_or(0)
        };
        Ok(Totals {
            dropped: of(&status.packets),
            unrecorded: of(&status.denials_unrecorded),
            recorded: self.told.packets.load(Ordering::SeqCst),
            records: self.told.records.load(Ordering::SeqCst),
            cpu,
        })
    }
}

/// Counts records as they come, until the daemon ends.
fn follow(daemon: &Daemon, told: &Arc<Told>) -> Result<()> {
    let query = Query {
        follow: true,
        ..Query::default()
    };
    let lines = client::flows(daemon.socket(), query)?;
    let told = Arc::clone(told);
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            match line {
                Line::Record(record) => {
                    told.packets.fetch_add(record.count, Ordering::SeqCst);
                    told.records.fetch_add(1, Ordering::SeqCst);
                }
                Line::Missed { missed, .. } => {
                    let _ = told.missed.fetch_add(missed, Ordering::SeqCst);
                }
                Line::Failed { .. } => return,
            }
        }
    });
    Ok(())
}
