//! What the demo builds up and always takes down again: namespaces, veths, directories.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

use super::netns;
use super::pods::{self, Pod};
use crate::{shell, ui};

/// Held while a demo runs: a second one would take down the first one's namespaces.
const LOCK: &str = "/run/enforcer-demo.lock";
/// The pods' gateway: on no link, answered for by a fixed neighbour entry, as ptp-style CNIs do.
const GATEWAY: &str = "169.254.1.1";

/// Everything built so far. Dropping it takes it down, in reverse order.
pub(super) struct Stage {
    undo: Vec<Undo>,
    directory: Option<TempDir>,
    _lock: File,
}

enum Undo {
    Netns(String),
    Link(String),
    Mount(PathBuf),
}

impl Stage {
    /// Builds the whole topology. What an earlier demo left behind (it was killed) goes first.
    pub(super) fn build() -> Result<Self> {
        let lock = lock()?;
        remove_leftovers()?;
        let directory = TempDir::with_prefix("enforcer-demo-").context("making a directory")?;
        let mut stage = Self {
            undo: Vec::new(),
            directory: Some(directory),
            _lock: lock,
        };
        fs::create_dir(stage.manifests()).context("making the manifest directory")?;
        stage.mount_bpffs()?;
        for pod in pods::ALL {
            stage.add(pod)?;
        }
        Ok(stage)
    }

    /// The directory of manifests that the daemon reads.
    pub(super) fn manifests(&self) -> PathBuf {
        self.path("manifests")
    }

    /// A BPF file system of its own: its pins go with it.
    pub(super) fn bpffs(&self) -> PathBuf {
        self.path("bpf")
    }

    /// A path in the demo's own directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory
            .as_ref()
            .map_or(Path::new(""), TempDir::path)
            .join(name)
    }

    fn mount_bpffs(&mut self) -> Result<()> {
        let path = self.bpffs();
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        mount(
            Some("bpf"),
            &path,
            Some("bpf"),
            MsFlags::empty(),
            None::<&str>,
        )
        .with_context(|| format!("mounting a BPF file system on {}", path.display()))?;
        self.undo.push(Undo::Mount(path));
        Ok(())
    }

    /// A network namespace, joined to the host by a veth with /32 routes.
    fn add(&mut self, pod: &Pod) -> Result<()> {
        let netns = pod.netns();
        let address = format!("{}/32", pod.address);
        let [host_mac, pod_mac] = pod.macs;
        ip(&format!("netns add {netns}"))?;
        self.undo.push(Undo::Netns(netns.clone()));
        ip(&format!(
            "link add {netns} address {host_mac} type veth \
             peer name eth0 address {pod_mac} netns {netns}"
        ))?;
        self.undo.push(Undo::Link(netns.clone()));
        ip(&format!("-n {netns} link set lo up"))?;
        ip(&format!("-n {netns} link set eth0 up"))?;
        ip(&format!("-n {netns} address add {address} dev eth0"))?;
        ip(&format!(
            "-n {netns} neighbour add {GATEWAY} lladdr {host_mac} dev eth0 nud permanent"
        ))?;
        ip(&format!(
            "-n {netns} route add default via {GATEWAY} dev eth0 onlink"
        ))?;
        ip(&format!("link set {netns} up"))?;
        ip(&format!(
            "neighbour add {} lladdr {pod_mac} dev {netns} nud permanent",
            pod.address
        ))?;
        ip(&format!("route add {address} dev {netns}"))?;
        forward(&netns)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for undo in self.undo.drain(..).rev() {
            let result = match &undo {
                Undo::Netns(name) => ip(&format!("netns delete {name}")),
                Undo::Link(name) => ip(&format!("link delete {name}")),
                Undo::Mount(path) => umount2(path, MntFlags::MNT_DETACH).map_err(Into::into),
            };
            complain(result);
        }
        if let Some(directory) = self.directory.take() {
            complain(directory.close().context("removing the demo's directory"));
        }
    }
}

/// What cannot be taken down is said, and the rest goes on.
fn complain(result: Result<()>) {
    if let Err(error) = result {
        ui::line(format_args!("  left behind: {error:#}"));
    }
}

/// Packets from this link are forwarded. The host's other links stay as they are.
fn forward(link: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv4/conf/{link}/forwarding");
    fs::write(&path, "1").with_context(|| format!("writing {path}"))
}

fn lock() -> Result<File> {
    let file = File::create(LOCK).with_context(|| format!("making {LOCK}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another demo is running (it holds {LOCK})"),
        Err(TryLockError::Error(error)) => Err(anyhow!(error).context(format!("locking {LOCK}"))),
    }
}

fn remove_leftovers() -> Result<()> {
    for netns in pods::ALL.map(Pod::netns) {
        if Path::new("/sys/class/net").join(&netns).exists() {
            ip(&format!("link delete {netns}"))?;
        }
        if Path::new(netns::DIRECTORY).join(&netns).exists() {
            ip(&format!("netns delete {netns}"))?;
        }
    }
    Ok(())
}

fn ip(arguments: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments.split_whitespace());
    shell::quiet(command).map(|_| ())
}
