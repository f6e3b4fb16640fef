//! `enforcer cni`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::api::DEFAULT_SOCKET;
use crate::cni::{Entry, Installation, OnTimeout, Place};

const EXAMPLES: &str = "Examples:
  enforcer cni install --bin-dir /opt/cni/bin --conf-dir /etc/cni/net.d
  enforcer cni install --timeout 30s --on-timeout allow
  enforcer cni uninstall

A daemon does this by itself with `enforcer run --cni-conf-dir`, and again whenever the CNI writes its list of
plugins anew. While no daemon runs, --on-timeout decides for every pod that starts.

Exit codes: 0 done, or nothing to do; 2 an error, and nothing is half-written.";

/// Install or remove the CNI plugin that holds a pod's start until its policies are in force.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CniArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Copy the plugin, and put it at the end of the first list of plugins by name.
    Install(InstallArgs),
    /// Take the plugin out of all lists, and remove it.
    Uninstall(PlaceArgs),
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// Directory of the CNI plugins' programs.
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    bin_dir: PathBuf,
    /// Directory of the lists of CNI plugins.
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    conf_dir: PathBuf,
}

#[derive(Debug, Args)]
struct InstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// How long a pod's start is held at most, such as 10s, 500ms or 1m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    timeout: String,
    /// What happens then: deny (the pod does not start, the kubelet tries again) or allow (it starts).
    #[arg(long, value_enum, default_value_t)]
    on_timeout: OnTimeout,
    /// The daemon's socket, by its path on the node.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// The plugin's program; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    plugin: Option<PathBuf>,
}

/// What `enforcer run` knows of the plugin.
#[derive(Debug, Args)]
pub(super) struct KeepArgs {
    /// Keep the CNI plugin installed: it holds a pod's start until its policies are in force. The
    /// directory of the lists of CNI plugins, such as /etc/cni/net.d.
    #[arg(long = "cni-conf-dir", value_name = "DIR", requires = "bin_dir")]
    conf_dir: Option<PathBuf>,
    /// Directory of the CNI plugins' programs, such as /opt/cni/bin.
    #[arg(long = "cni-bin-dir", value_name = "DIR", requires = "conf_dir")]
    bin_dir: Option<PathBuf>,
    /// How long a pod's start is held at most, such as 10s, 500ms or 1m.
    #[arg(long = "cni-timeout", value_name = "TIME", default_value = "10s", value_parser = timeout)]
    timeout: String,
    /// What happens then: deny (the pod does not start, the kubelet tries again) or allow (it starts).
    #[arg(long = "cni-on-timeout", value_enum, default_value_t)]
    on_timeout: OnTimeout,
    /// The path of --socket on the node, where the daemon has it at another.
    #[arg(long = "cni-socket", value_name = "PATH")]
    socket_on_node: Option<PathBuf>,
}

impl KeepArgs {
    /// What to keep installed, if that is wanted.
    pub(super) fn installation(self, socket: &Path) -> anyhow::Result<Option<Installation>> {
        let (Some(bin_dir), Some(conf_dir)) = (self.bin_dir, self.conf_dir) else {
            return Ok(None);
        };
        Ok(Some(Installation {
            place: Place { bin_dir, conf_dir },
            plugin: beside()?,
            entry: Entry {
                socket: self.socket_on_node.unwrap_or_else(|| socket.to_owned()),
                timeout: self.timeout,
                on_timeout: self.on_timeout,
            },
        }))
    }
}

/// A time as the plugin reads it.
fn timeout(text: &str) -> Result<String, String> {
    match enforcer_cni::duration(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write it like 10s, 500ms or 1m".to_owned()),
    }
}

/// The plugin's program beside this one.
fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    Ok(own.with_file_name(enforcer_cni::NAME))
}

impl From<PlaceArgs> for Place {
    fn from(args: PlaceArgs) -> Self {
        Self {
            bin_dir: args.bin_dir,
            conf_dir: args.conf_dir,
        }
    }
}

pub(super) fn run(args: CniArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let changed = match args.verb {
        Verb::Install(args) => {
            let installation = Installation {
                plugin: args.plugin.map_or_else(beside, Ok)?,
                entry: Entry {
                    socket: args.socket,
                    timeout: args.timeout,
                    on_timeout: args.on_timeout,
                },
                place: args.place.into(),
            };
            installation.install()?
        }
        Verb::Uninstall(place) => Place::from(place).uninstall()?,
    };
    if changed.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    for path in changed {
        writeln!(out, "changed {}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
