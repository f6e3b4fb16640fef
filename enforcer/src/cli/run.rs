//! `enforcer run`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::Output;
use super::cni::KeepArgs;
use super::export::ExportArgs;
use super::flows::KeptArgs;
use super::hubble::HubbleArgs;
use crate::api::DEFAULT_SOCKET;
use crate::api::tcp::TcpError;
use crate::daemon::{self, Options, Origin, Reports};
use crate::datapath::attach::Hook;
use crate::datapath::load::LoadOptions;
use crate::datapath::writer;
use crate::flow::tally;
use crate::kubernetes::client::Access;
use crate::kubernetes::daemonset::Name;

const EXAMPLES: &str = "Examples:
  enforcer run
  enforcer run --kubeconfig ~/.kube/config --node worker-1
  enforcer run --manifests /etc/enforcer/manifests
  enforcer run --manifests DIR --node worker-1 --mode audit
  enforcer run --manifests DIR --pending deny --cleanup

Ready when `enforcer status --wait` returns 0. After SIGTERM or SIGINT, what is attached stays in
force (a new daemon takes over without a gap) unless --cleanup is given.

Exit codes: 0 stopped by a signal; 2 an error.
Environment: NODE_NAME is the node's name where --node is not given; ENFORCER_LOG sets the log filter, such as
debug or enforcer=trace.";

/// Enforce the policies of a cluster, or of a directory of manifests, on this host's pods.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches are what a command line has"
)]
pub(super) struct RunArgs {
    /// Directory (or file) of YAML or JSON manifests: Node, Namespace, Pod, Service, EndpointSlice and
    /// NetworkPolicy. Without it the objects are those of the cluster that this pod runs in.
    #[arg(long, value_name = "DIR")]
    manifests: Option<PathBuf>,
    /// The objects are those of this cluster: the current context of a kubeconfig file.
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    kubeconfig: Option<PathBuf>,
    /// This node's name, as its Node object has it: pods bound to other nodes are not enforced here.
    /// With --manifests it may be left out; then every pod whose address is found here is.
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env = true, value_parser = NonEmptyStringValueParser::new())]
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
    /// The bit of a packet's mark (`skb->mark`) that says that its sender's policy is decided on the
    /// way, behind a service address. Choose another where something else on the node uses it.
    #[arg(long, value_name = "BIT", default_value = "0x1000", value_parser = mark)]
    mark: u32,
    /// Start although another policy engine is at work on this node: a packet must then pass both.
    #[arg(long)]
    alongside: bool,
    /// Detach everything at the end, so that nothing is enforced any more.
    #[arg(long)]
    cleanup: bool,
    /// The `DaemonSet` that this daemon belongs to, as NAMESPACE/NAME. When it is deleted, the daemon
    /// does at its end what --cleanup does; when it only restarts or is upgraded, it does not.
    #[arg(long, value_name = "NAME", conflicts_with = "manifests")]
    daemonset: Option<Name>,
    #[command(flatten)]
    cni: KeepArgs,
    /// Entries of a BPF map, such as VERDICTS=2000000; may be repeated.
    #[arg(long, value_name = "MAP=N", value_parser = map_entries)]
    map_entries: Vec<(String, u32)>,
    /// Events of each kind that each CPU may report in a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    events_per_second: Option<u32>,
    /// Report every denial by itself, with its ports, as far as --events-per-second allows. Else denials
    /// that differ in nothing but the client's port are one record each second, with their number.
    #[arg(long)]
    each_denial: bool,
    /// Seconds between two comparisons of the kernel's maps with what was written to them; 0 for none.
    /// What differs is repaired, logged and counted.
    #[arg(long, value_name = "S", default_value_t = 300)]
    read_back: u64,
    #[command(flatten)]
    flows: KeptArgs,
    /// Log a line for every packet that the programs see (slow); for debugging the programs.
    #[arg(long)]
    trace_packets: bool,
    /// Where /healthz, /readyz and /metrics are served over HTTP; `none` for nowhere.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9870", value_parser = listen)]
    listen: Listen,
    /// How many policies have series of their own in /metrics; others are counted together.
    #[arg(long, value_name = "N", default_value_t = tally::DEFAULT_POLICIES)]
    metrics_policies: usize,
    /// Where `--cluster` of `enforcer status` and `enforcer flows` finds this daemon, by port-forwarding of the
    /// Kubernetes API: an address of loopback. It answers processes of root's on this node alone, and changes
    /// nothing. Without it there is no such port.
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    api_listen: Option<SocketAddr>,
    /// Write no `PolicyEnforcement` objects, which say for each policy whether this node enforces it.
    #[arg(long)]
    no_policy_enforcements: bool,
    /// Make no Events on `NetworkPolicy` objects and pods that cannot be enforced.
    #[arg(long)]
    no_events: bool,
    /// Form of the log on stderr.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    // Last: they have headings of their own.
    #[command(flatten)]
    export: ExportArgs,
    #[command(flatten)]
    hubble: HubbleArgs,
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

/// Where HTTP is served, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen(Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen(None));
    }
    let address = text.parse().map_err(|_| {
        "write an IP address and a port, such as 127.0.0.1:9870, 0.0.0.0:9870 or [::]:9870, or none"
    })?;
    Ok(Listen(Some(address)))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "write an address of loopback and a port, such as 127.0.0.1:9871".to_owned();
    let address: SocketAddr = text.parse().map_err(|_| wrong())?;
    if !address.ip().is_loopback() {
        return Err(TcpError::NotLoopback(address).to_string());
    }
    Ok(address)
}

fn map_entries(text: &str) -> Result<(String, u32), String> {
    const MAPS: [&str; 10] = [
        "ADDRESSES_V4",
        "ADDRESSES_V6",
        "CIDRS_V4",
        "CIDRS_V6",
        "VERDICTS",
        "PORTS",
        "FLOWS_V4",
        "FLOWS_V6",
        "FRAGMENTS",
        "DENIALS",
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
    runtime.block_on(daemon::run(options(args)?))?;
    Ok(ExitCode::SUCCESS)
}

fn options(args: RunArgs) -> anyhow::Result<Options> {
    let load = LoadOptions {
        map_entries: args.map_entries.into_iter().collect::<BTreeMap<_, _>>(),
        lasting: None,
        events_per_second: args.events_per_second,
        each_denial: args.each_denial,
        mark: Some(args.mark),
        trace: args.trace_packets,
        untracked: false,
        told: None,
    };
    Ok(Options {
        cni: args.cni.installation(&args.socket)?,
        source: match args.manifests {
            Some(path) => Origin::Manifests(path),
            None => Origin::Kubernetes(Access::new(args.kubeconfig)),
        },
        node: args.node,
        netns_dir: args.netns_dir,
        socket: args.socket,
        alongside: args.alongside,
        cleanup: args.cleanup,
        daemonset: args.daemonset,
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
        read_back: (args.read_back > 0).then(|| Duration::from_secs(args.read_back)),
        flows: args.flows.limits(),
        metrics_policies: args.metrics_policies,
        listen: args.listen.0,
        api_listen: args.api_listen,
        export: args.export.options(),
        hubble: args.hubble.options(),
        reports: Reports {
            objects: !args.no_policy_enforcements,
            events: !args.no_events,
        },
    })
}

/// Marks of kube-proxy (`KUBE-MARK-MASQ`, `KUBE-MARK-DROP`): it translates between our hooks.
const KUBE_PROXY_MARKS: u32 = 0x4000 | 0x8000;

fn mark(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match number {
        Ok(mark) if !mark.is_power_of_two() => {
            Err("give one bit, such as 0x1000 or 0x20".to_owned())
        }
        Ok(mark) if mark & KUBE_PROXY_MARKS != 0 => {
            Err("kube-proxy uses 0x4000 and 0x8000; give another bit".to_owned())
        }
        Ok(mark) => Ok(mark),
        Err(error) => Err(format!("{error}; give one bit, such as 0x1000")),
    }
}

fn log_to_stderr(args: &RunArgs) {
    // What kube logs of failed requests is told by the source, once.
    let default = if args.trace_packets {
        "info,kube_client=off,kube_runtime=off,enforcer_bpf=debug"
    } else {
        "info,kube_client=off,kube_runtime=off"
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

#[cfg(test)]
mod tests {
    use super::{Listen, listen, loopback, mark};

    #[test]
    fn a_mark_is_one_bit_that_kube_proxy_does_not_use() {
        assert_eq!(mark("0x1000"), Ok(0x1000));
        assert_eq!(mark("32"), Ok(32));
        for wrong in ["0", "3", "0x4000", "0x8000", "", "0x", "x", "0x100000000"] {
            assert!(mark(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clients_come_over_loopback_or_not_at_all() {
        for right in ["127.0.0.1:9871", "127.1.2.3:1", "[::1]:9871"] {
            assert_eq!(loopback(right), Ok(right.parse().unwrap()));
        }
        for wrong in ["0.0.0.0:9871", "[::]:1", "192.0.2.1:9871"] {
            let why = loopback(wrong).unwrap_err();
            assert!(why.contains("no loopback address"), "{why}");
        }
        assert!(loopback("localhost:1").is_err());
    }

    #[test]
    fn http_is_served_at_an_address_or_nowhere() {
        assert_eq!(listen("none"), Ok(Listen(None)));
        assert_eq!(listen("[::]:1"), Ok(Listen("[::]:1".parse().ok())));
        for wrong in ["", "9870", "127.0.0.1", "localhost:9870"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }
}
