//! `enforcer cleanup`.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use enforcer_cni::protocol;

use crate::api::DEFAULT_SOCKET;
use crate::cni::Place;
use crate::datapath::cleanup::cleanup;

const EXAMPLES: &str = "Examples:
  enforcer cleanup
  enforcer cleanup --cni-bin-dir /opt/cni/bin --cni-conf-dir /etc/cni/net.d

For a node from which enforcer goes. Stop the daemon first; one that still runs is not disturbed.

Exit codes: 0 nothing of enforcer is left; 2 an error.";

/// Remove everything that a daemon has left on this node: nothing is enforced any more.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CleanupArgs {
    /// Directory of what outlived the daemon.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/enforcer")]
    bpffs: PathBuf,
    /// Where a daemon would answer.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Directory of the CNI plugins' programs, where the CNI plugin is to be removed too.
    #[arg(long, value_name = "DIR", requires = "cni_conf_dir")]
    cni_bin_dir: Option<PathBuf>,
    /// Directory of the lists of CNI plugins.
    #[arg(long, value_name = "DIR", requires = "cni_bin_dir")]
    cni_conf_dir: Option<PathBuf>,
}

pub(super) fn run(args: CleanupArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if std::os::unix::net::UnixStream::connect(&args.socket).is_ok() {
        bail!(
            "a daemon answers at {}: stop it first",
            args.socket.display()
        );
    }
    // First, so that no pod waits for a daemon that does not come.
    if let (Some(bin_dir), Some(conf_dir)) = (args.cni_bin_dir, args.cni_conf_dir) {
        for path in (Place { bin_dir, conf_dir }).uninstall()? {
            writeln!(out, "changed {}", path.display())?;
        }
    }
    let programs = if args.bpffs.exists() {
        cleanup(&args.bpffs)?
    } else {
        0
    };
    writeln!(out, "detached {programs} programs")?;
    remove(&args.socket, |path| std::fs::remove_file(path))?;
    remove(&protocol::claims(&args.socket), |path| {
        std::fs::remove_dir_all(path)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn remove(path: &Path, by: impl Fn(&Path) -> std::io::Result<()>) -> anyhow::Result<()> {
    match by(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
