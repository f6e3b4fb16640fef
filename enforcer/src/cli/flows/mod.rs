//! `enforcer flows`.

mod cluster;
mod kept;
mod options;
mod output;
mod terms;

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use enforcer_flows::Query;
use enforcer_flows::query::moment;
use jiff::Timestamp;

use super::cluster::ClusterArgs;
use super::colour::ColourArgs;
use crate::api::flows::Line;
use crate::api::{DEFAULT_SOCKET, client};
pub(super) use kept::KeptArgs;
use options::Form;
use output::Printer;
use terms::TermArgs;

const EXAMPLES: &str = "Examples:
  enforcer flows --verdict denied --since 5m
  enforcer flows --follow --pod from:web --pod to:prod/db
  enforcer flows --namespace prod --label app=api --port not:53 --last 20 --output json
  enforcer flows --cluster --verdict denied --last 20

Shows what this node's daemon keeps, or with --cluster every node's, by time: new connections and dropped
packets. docs/flows.md describes filters and JSON member by member.

Each filter may be repeated: values of one filter are alternatives, different filters must all hold.
from:VALUE and to:VALUE mean the source or the destination, a bare value either of them.
not:VALUE must not hold, as in --port not:53 or --ip not:to:10.0.0.0/8.

A connection to a service has two records: one with the service, where it leaves its pod (reason
`deferred`: nothing is decided about it yet), and one with the real destination, where the pod's
egress policies are asked. `undecided` is a packet on that way whose sender nobody knows.

Exit codes: 0 success, also when there is no such record; 1 with --cluster: some node did not answer, or
no longer; 2 an error: no daemon answers, it is of another version, or it ended while it was followed.
Environment: NO_COLOR switches colour off where --color does not say always.";

/// Show connections and denials with the names of pods and policies.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FlowsArgs {
    /// Go on with new records until interrupted, after those that are kept.
    #[arg(long, short)]
    follow: bool,
    /// Of those that are kept, only the last N that the filters mean.
    #[arg(long, value_name = "N")]
    last: Option<u64>,
    /// Only records from then on: how long ago (90s, 5m, 1h30m) or RFC 3339.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    #[command(flatten)]
    terms: TermArgs,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
    output: Form,
    #[command(flatten)]
    colour: ColourArgs,
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) fn run(args: FlowsArgs) -> anyhow::Result<ExitCode> {
    let since = args.since.as_deref();
    let since = since.map(|text| moment(text, Timestamp::now()));
    let query = Query {
        filter: args.terms.filter(),
        since: since.transpose()?,
        last: args.last,
        after: None,
        follow: args.follow,
    };
    let mut printer = Printer::new(args.output, args.colour);
    if args.cluster.cluster {
        return cluster::run(&args.cluster, query, &mut printer);
    }
    for line in client::flows(&args.socket, query)? {
        match line? {
            Line::Record(record) if printer.print(&record)? => {}
            // Nobody reads any more.
            Line::Record(_) => return Ok(ExitCode::SUCCESS),
            Line::Missed { missed, .. } => tell(missed_words(missed))?,
            // The client has made an error of it.
            Line::Failed { error } => anyhow::bail!(error),
        }
    }
    if args.follow {
        anyhow::bail!("the daemon ended; run the same command again to follow the next one");
    }
    Ok(ExitCode::SUCCESS)
}

fn missed_words(missed: u64) -> String {
    format!("{missed} records came too fast to be looked at")
}

/// Says something on stderr.
fn tell(words: impl Display) -> anyhow::Result<()> {
    match writeln!(std::io::stderr(), "enforcer: {words}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
