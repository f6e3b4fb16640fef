//! `enforcer run`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::Output;
use crate::api::DEFAULT_SOCKET;
use crate::daemon::{self, Options};
use crate::datapath::attach::Hook;
use crate::datapath::load::LoadOptions;
use crate::datapath::writer;

const EXAMPLES: &str = "Examples:
  enforcer run --manifests /etc/enforcer/manifests
  enforcer run --manifests DIR --node worker-1 --mode audit
  enforcer run --manifests DIR --pending deny --cleanup

Ready when `enforcer status --wait` returns 0. After SIGTERM or SIGINT, what is attached stays in
force (a new daemon takes over without a gap) unless --cleanup is given.

Exit codes: 0 stopped by a signal; 2 an error.
Environment: ENFORCER_LOG sets the log filter, such as debug or enforcer=trace.";

/// Enforce the policies of a directory of manifests on this host's pods.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// Directory (or file) of YAML or JSON manifests: Node, Namespace, Pod and NetworkPolicy.
    #[arg(long, value_name = "DIR")]
    manifests: PathBuf,
    /// This node's name: pods bound to other nodes are not enforced here. Without it every pod
    /// whose address is found here is.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    node: Option<String>,
    /// Directory of network namespaces, as `ip netns` and container runtimes keep them.
    #[arg(long, value_name = "DIR", default_value = "/run/netns")]
    netns_dir: PathBuf,
    /// Directory for what outlives the daemon; a BPF file system is mounted where there is none.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/enforcer")]
    bpffs: PathBuf,
    /// Where `enforcer status` and `enforcer flows` find the daemon.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Whether what policy denies is dropped, or only reported.
    #[arg(long, value_enum, default_value_t = Mode::Enforce)]
    mode: Mode,
    /// What passes at a pod's link before the pod is known.
    #[arg(long, value_enum, default_value_t = Pending::Allow)]
    pending: Pending,
    /// Which hook to attach to: TCX needs Linux 6.6.
    #[arg(long, value_enum, default_value_t = HookChoice::Auto)]
    hook: HookChoice,
    /// Detach everything at the end, so that nothing is enforced any more.
    #[arg(long)]
    cleanup: bool,
    /// Entries of a BPF map, such as VERDICTS=2000000; may be repeated.
    #[arg(long, value_name = "MAP=N", value_parser = map_entries)]
    map_entries: Vec<(String, u32)>,
    /// Events of each kind that each CPU may report in a second.
    #[arg(long, value_name = "N")]
    events_per_second: Option<u32>,
    /// Log a line for every packet that the programs see (slow); for debugging the programs.
    #[arg(long)]
    trace_packets: bool,
    /// Form of the log on stderr.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Denied packets are dropped.
    Enforce,
    /// Denied packets pass and are reported.
    Audit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pending {
    /// Everything.
    Allow,
    /// Nothing.
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HookChoice {
    /// TCX where the kernel has it, clsact elsewhere.
    Auto,
    /// TCX.
    Tcx,
    /// clsact.
    Clsact,
}

fn map_entries(text: &str) -> Result<(String, u32), String> {
    const MAPS: [&str; 9] = [
        "ADDRESSES_V4",
        "ADDRESSES_V6",
        "CIDRS_V4",
        "CIDRS_V6",
        "VERDICTS",
        "PORTS",
        "FLOWS_V4",
        "FLOWS_V6",
        "FRAGMENTS",
    ];
    let (name, entries) = text
        .split_once('=')
        .ok_or("write MAP=N, such as VERDICTS=2000000")?;
    if !MAPS.contains(&name) {
        return Err(format!("no such map; the maps are {}", MAPS.join(", ")));
    }
    match entries.parse() {
        Ok(entries) if entries > 0 => Ok((name.to_owned(), entries)),
        _ => Err(format!(
            "{entries:?} is not a number of entries from 1 to {}",
            u32::MAX
        )),
    }
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    log_to_stderr(&args);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no async runtime")?;
    runtime.block_on(daemon::run(options(args)))?;
    Ok(ExitCode::SUCCESS)
}

fn options(args: RunArgs) -> Options {
    let load = LoadOptions {
        map_entries: args.map_entries.into_iter().collect::<BTreeMap<_, _>>(),
        lasting: None,
        events_per_second: args.events_per_second,
        trace: args.trace_packets,
    };
    Options {
        manifests: args.manifests,
        node: args.node,
        netns_dir: args.netns_dir,
        socket: args.socket,
        cleanup: args.cleanup,
        datapath: writer::Options {
            bpffs: args.bpffs,
            hook: match args.hook {
                HookChoice::Auto => Hook::Auto,
                HookChoice::Tcx => Hook::Tcx,
                HookChoice::Clsact => Hook::Clsact,
            },
            audit: args.mode == Mode::Audit,
            pending_deny: args.pending == Pending::Deny,
            load,
        },
    }
}

fn log_to_stderr(args: &RunArgs) {
    let default = if args.trace_packets {
        "info,enforcer_bpf=debug"
    } else {
        "info"
    };
    let filter =
        EnvFilter::try_from_env("ENFORCER_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match args.output {
        Output::Text => log.init(),
        Output::Json => log.json().init(),
    }
}
