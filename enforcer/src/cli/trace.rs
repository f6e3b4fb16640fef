//! `enforcer trace`: what becomes of a connection, and why.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::cluster::ClusterArgs;
use super::cut::{self, CutArgs};
use super::{Output, replay};
use crate::source::manifests::{ManifestSource, Snapshot};
use crate::trace::{Question, Tracer, batch, write_text};

const ALLOWED: u8 = 0;
const DENIED: u8 = 1;
const ERROR: u8 = 2;
const DIFFERS: u8 = 3;

/// Say whether a new connection would be allowed, and why.
///
/// Judges both ends, whatever nodes they are on: the egress policies of the pod that connects and
/// the ingress policies of the pod that is connected to. The verdict comes from the code that the
/// kernel runs; --kernel asks the loaded programs themselves.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").args(["cut", "replay"])))]
#[command(after_long_help = "\
Ends:
  NAMESPACE/POD, POD (in the namespace default), or an address: the address of a pod is that pod,
  the address of a Node object or of a pod with hostNetwork is that node, any other is outside.
  A pod that has ended is no peer: only its address counts. A pod without an address is judged as
  if it had one that only blocks such as 0.0.0.0/0 cover.

Services:
  The destination may be svc/NAMESPACE/NAME with the service's port, or an address of a service with
  one of its ports (a node port of the sender's own node too). Policies see the pods behind it and their own
  ports, so each backend gets a verdict of its own. Without a ready backend kube-proxy refuses the
  connection, whatever policies say. The name of a headless service means its pods, at the port asked for.

Batch:
  One JSON object per line: {\"from\": \"default/api\", \"to\": \"default/db\", \"protocol\": \"TCP\", \"port\": 3306}
  Other fields, such as an id, are passed over.
  One line of JSON per question comes back, in the same order. A question without an answer, such
  as one about a pod that is not there, gets a line with `line` and `error`, and the rest goes on.

Manifests:
  As with `enforcer run`, an object with an error is left out and the others count; errors are
  written to stderr. --strict gives no answer then.

Recorded connections:
  --replay reads records that `enforcer flows --output json` wrote, `-` is standard input, and judges each
  recorded connection under the manifests: which were allowed and would be denied, and why, and which
  the other way. A pod that is no longer there is judged by another of its workload; without one its
  connections are counted apart. What policies do not decide (a pod with its own node, dropped as malformed)
  is passed over, and so is what is still on its way to a service.
  --replay without a file judges what the daemon of this node recorded (with --cluster: all daemons), under
  the objects in force with a change: --manifests, --delete and --prune say which, as with --cut.

Changes:
  --cut asks the daemon of this node, which knows its live connections and the objects in force, what
  becomes of each connection's next packet when the change is made. Each line names both sides, the
  rule that allows the connection now and what denies it then. Connections that have begun to close
  or had no packet for long (UDP: 2 minutes, ICMP: 30 seconds) are not live.

Examples:
  enforcer trace --manifests demo/ --from default/web --to default/db --port 3306
  enforcer trace --manifests demo/ --from 192.0.2.1 --to 10.244.0.4 --port 53 --protocol UDP
  enforcer trace --manifests demo/ --from default/web --to svc/default/db:3306
  enforcer trace --manifests demo/ --from default/web --to 10.96.0.10:80
  enforcer trace --manifests demo/ --from api --to db --protocol ICMP --output json
  enforcer trace --manifests demo/ --batch questions.jsonl --kernel > answers.jsonl
  enforcer trace --manifests new/ --replay flows.jsonl
  enforcer trace --replay --since 1h --manifests db-policy.yaml
  enforcer trace --replay --cluster --delete NetworkPolicy default/db-policy
  enforcer trace --cut db-policy.yaml && kubectl apply -f db-policy.yaml
  enforcer trace --cut --delete NetworkPolicy default/db-policy --output json
  enforcer trace --cut all-manifests/ --prune

Exit codes:
  0  allowed; of a batch: every line was answered; of a change: nothing would be cut; of a replay:
     every verdict is as it was
  1  denied, or no backend; of a change: connections would be cut
  2  errors; of a batch: at least one line had no answer; of a replay: a connection had none
  3  it differs: some backends of the service are reached and others are not; of a replay: a verdict
     would be another")]
pub struct TraceArgs {
    /// Folder or file of manifests: nodes, namespaces, pods with `status.podIPs`, policies and services.
    /// With --replay of what a daemon recorded: only those that change.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["cut", "replay"])]
    pub manifests: Option<PathBuf>,
    /// Who connects.
    #[arg(long, value_name = "NS/POD|ADDRESS", required_unless_present_any = ["batch", "cut", "replay"])]
    pub from: Option<String>,
    /// To whom; a port may follow behind a colon.
    #[arg(long, value_name = "NS/POD|ADDRESS|svc/NS/NAME", required_unless_present_any = ["batch", "cut", "replay"])]
    pub to: Option<String>,
    /// The destination port, for TCP, UDP and SCTP.
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// TCP, UDP, SCTP, ICMP, or an IANA protocol number.
    #[arg(long, default_value = "TCP")]
    pub protocol: String,
    /// Read questions from this file, `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "port", "protocol"])]
    pub batch: Option<PathBuf>,
    /// Judge the connections that were recorded in this file, `-` for standard input; without a value, those
    /// that this node's daemon recorded, or with --cluster every node's.
    #[arg(long, value_name = "FLOWS", num_args = 0..=1, conflicts_with_all = ["from", "to", "port", "protocol", "batch"])]
    pub replay: Option<Option<PathBuf>>,
    /// Of what daemons recorded, only what is from then on: how long ago (90s, 5m, 1h30m) or RFC 3339.
    #[arg(long, value_name = "WHEN", requires = "replay")]
    pub since: Option<String>,
    /// Ask the programs in the kernel instead of the same code on the host. Needs root.
    #[arg(long)]
    pub kernel: bool,
    /// Give no answer when a manifest has an error.
    #[arg(long)]
    pub strict: bool,
    /// How to write the answer; a batch is always answered in JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// What a change would cut.
    #[command(flatten)]
    pub change: CutArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

/// What has no place beside `--cut`.
pub(super) const QUESTION: [&str; 11] = [
    "manifests",
    "from",
    "to",
    "port",
    "protocol",
    "batch",
    "replay",
    "since",
    "cluster",
    "kernel",
    "strict",
];

/// What is asked about one connection, and has no place beside a change.
pub(super) const ASKED: [&str; 7] = [
    "from", "to", "port", "protocol", "batch", "kernel", "strict",
];

/// Answers the question or the batch to `out`, reports what is wrong to `err` and returns the exit
/// code.
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub fn run(args: &TraceArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    if let Some(paths) = &args.change.cut {
        return cut::run(&args.change, paths, args.output, out, err);
    }
    if matches!(args.replay, Some(None)) {
        return match replay::of_daemons(args) {
            Ok(written) => replay::write(&written, args.output, out, err),
            Err(error) => fail(err, &error),
        };
    }
    if let Some(error) = misplaced(args) {
        return fail(err, &error);
    }
    let manifests = args.manifests.clone().unwrap_or_default();
    let snapshot = ManifestSource::new(&manifests).reload();
    if !usable(args, &snapshot, &manifests, err)? {
        return Ok(ERROR);
    }
    let file = args.replay.as_ref().and_then(Option::as_deref);
    let log = match file.map(replay::records).transpose() {
        Ok(log) => log,
        Err(error) => return fail(err, &error),
    };
    let tracer = if args.kernel {
        Tracer::in_kernel(&snapshot.cluster)
    } else {
        Ok(Tracer::on_host(&snapshot.cluster))
    };
    let mut tracer = match tracer {
        Ok(tracer) => tracer,
        Err(error) => return fail(err, &error),
    };
    if let Some(log) = &log {
        return replay::run(&mut tracer, log, args.output, out, err);
    }
    match &args.batch {
        Some(path) => answer_batch(&mut tracer, path, out, err),
        None => answer(&mut tracer, args, out, err),
    }
}

/// What is asked of daemons has no place beside a file of records.
fn misplaced(args: &TraceArgs) -> Option<&'static str> {
    let change = &args.change;
    if args.manifests.is_none() {
        Some(
            "--replay FLOWS needs --manifests with pods, nodes and policies; without FLOWS the daemon is asked",
        )
    } else if args.since.is_some() || args.cluster.cluster {
        Some("--since and --cluster ask daemons: leave out FLOWS, or give them to `enforcer flows`")
    } else if !change.delete.is_empty() || change.prune {
        Some("--delete and --prune change what is in force: leave out FLOWS")
    } else {
        None
    }
}

/// Reports the errors in the manifests and says whether to go on.
fn usable(
    args: &TraceArgs,
    snapshot: &Snapshot,
    manifests: &Path,
    err: &mut impl Write,
) -> io::Result<bool> {
    let errors: Vec<_> = snapshot
        .problems
        .iter()
        .filter(|one| one.is_error())
        .collect();
    for problem in &errors {
        writeln!(err, "{problem}")?;
    }
    if snapshot.files == 0 {
        let path = manifests.display();
        writeln!(err, "error: there are no manifests in {path}")?;
        return Ok(false);
    }
    if errors.is_empty() {
        return Ok(true);
    }
    if args.strict {
        writeln!(err, "error: no answer, because of --strict")?;
    } else {
        writeln!(err, "warning: what has an error is left out of the answer")?;
    }
    Ok(!args.strict)
}

fn answer_batch(
    tracer: &mut Tracer,
    path: &PathBuf,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(file)
        });
        match file {
            Ok(file) => Box::new(file),
            Err(error) => return fail(err, &format!("cannot read {}: {error}", path.display())),
        }
    };
    let summary = batch(tracer, input, out)?;
    if summary.failed == 0 {
        return Ok(ALLOWED);
    }
    let all = summary.failed + summary.answered;
    writeln!(
        err,
        "error: no answer to {} of {all} questions",
        summary.failed
    )?;
    Ok(ERROR)
}

fn answer(
    tracer: &mut Tracer,
    args: &TraceArgs,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let question = Question {
        from: args.from.clone().unwrap_or_default(),
        to: args.to.clone().unwrap_or_default(),
        protocol: args.protocol.clone(),
        port: args.port,
    };
    let answer = match tracer.ask(&question) {
        Ok(answer) => answer,
        Err(error) => return fail(err, &error),
    };
    match args.output {
        Output::Text => write_text(&answer, out)?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &answer)?;
            writeln!(out)?;
        }
    }
    Ok(match answer.verdict {
        crate::trace::Verdict::Allow => ALLOWED,
        crate::trace::Verdict::Deny => DENIED,
        crate::trace::Verdict::Differs => DIFFERS,
    })
}

fn fail(err: &mut impl Write, error: &impl std::fmt::Display) -> io::Result<u8> {
    writeln!(err, "error: {error}")?;
    Ok(ERROR)
}
