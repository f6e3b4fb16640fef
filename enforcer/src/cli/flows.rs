//! `enforcer flows`.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::Output;
use crate::api::{DEFAULT_SOCKET, FlowLine, Request, client};
use crate::flow::record::{Record, Verdict};

const EXAMPLES: &str = "Examples:
  enforcer flows --verdict denied
  enforcer flows --follow --pod default/db
  enforcer flows --last 20 --output json

Shows new connections and dropped packets, the latest 4096 that the daemon keeps. JSON is one
record on a line.

A connection to a service has two records: one with the service, where it leaves its pod (reason
`deferred`: nothing is decided about it yet), and one with the real destination, where the pod's
egress policies are asked. `undecided` is a packet on that way whose sender nobody knows.

Exit codes: 0 success; 2 no daemon answers.";

/// Show connections and denials with the names of pods and policies.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FlowsArgs {
    /// Go on with new records until interrupted.
    #[arg(long)]
    follow: bool,
    /// Only records with one of these verdicts; may be repeated.
    #[arg(long, value_enum, value_name = "VERDICT")]
    verdict: Vec<Verdict>,
    /// Only records with this pod on either side; a bare name is a pod of the namespace default.
    #[arg(long, value_name = "NS/POD")]
    pod: Option<String>,
    /// Only the last N matching records of those that are kept.
    #[arg(long, value_name = "N", conflicts_with = "follow")]
    last: Option<usize>,
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &FlowsArgs) -> anyhow::Result<ExitCode> {
    let pod = args.pod.as_ref().map(|pod| {
        if pod.contains('/') {
            pod.clone()
        } else {
            format!("default/{pod}")
        }
    });
    let mut kept = VecDeque::new();
    for line in client::ask(
        &args.socket,
        &Request::Flows {
            follow: args.follow,
        },
    )? {
        let Some(record) = parse(&line?)? else {
            continue;
        };
        if !matches(args, pod.as_deref(), &record) {
            continue;
        }
        match args.last {
            // All of it first, so that the last can be told.
            Some(last) => {
                kept.push_back(record);
                if kept.len() > last {
                    kept.pop_front();
                }
            }
            None if print(args, &record)? => {}
            None => break,
        }
    }
    for record in &kept {
        print(args, record)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A record, or a word on stderr about those that were lost.
fn parse(line: &str) -> anyhow::Result<Option<Record>> {
    let line: FlowLine = serde_json::from_str(line)
        .with_context(|| format!("the daemon sent {line:?} instead of a record"))?;
    match line {
        FlowLine::Record(record) => Ok(Some(*record)),
        FlowLine::Lost { lost } => {
            writeln!(
                std::io::stderr(),
                "enforcer: {lost} records came too fast to be shown"
            )?;
            Ok(None)
        }
    }
}

fn matches(args: &FlowsArgs, pod: Option<&str>, record: &Record) -> bool {
    let side = |pod: &str| {
        [&record.source, &record.destination]
            .iter()
            .any(|party| party.pod.as_deref() == Some(pod))
    };
    (args.verdict.is_empty() || args.verdict.contains(&record.verdict)) && pod.is_none_or(side)
}

/// Prints a record; `false` when nobody reads any more.
fn print(args: &FlowsArgs, record: &Record) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let written = match args.output {
        Output::Text => writeln!(out, "{record}"),
        Output::Json => writeln!(out, "{}", serde_json::to_string(record)?),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}
