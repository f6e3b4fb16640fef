//! The options of `enforcer policy suggest`.

use std::path::PathBuf;

use enforcer_common::abi::Direction;
use enforcer_flows::filter::TermError;
use enforcer_flows::query::{NotAMoment, moment};
use enforcer_flows::{Filter, Query, Side, Term, What};
use jiff::Timestamp;

use crate::api::DEFAULT_SOCKET;
use crate::cli::cluster::ClusterArgs;
use crate::suggest::{Options, Widths};

/// Suggest the least network policies that allow what was recorded.
///
/// One policy for each workload: it selects the pods by the labels that all of them have, except
/// those that change with every revision, and allows what was recorded at either end. What was
/// denied is listed at the end as a comment.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Records:
  Without FLOWS the daemon of this node is asked for what it keeps, and for its view of the cluster: that is
  all that is needed. --cluster asks the daemons of all nodes, and the API server for the cluster.
  FLOWS is a file of `enforcer flows --output json`, of one node or several behind one another; `-` is
  standard input.
  Pods that no policy isolates make no records. To learn what they need, isolate them by a policy
  that allows everything (`ingress: [{}]`, `egress: [{}]`), or deny in audit mode and use
  --include-denied.

Manifests:
  They say of a file of records which other pods have the same labels, what ports are called, and what
  is not there any more: write them with `kubectl get pods,namespaces,nodes,networkpolicies -A -o yaml`.
  A file without them knows only pods of the records, and the answer is never called exact.

Policies:
  Peers in other namespaces are named by kubernetes.io/metadata.name; nodes and what is outside the
  cluster by their addresses. Where two workloads have the same labels but one, the other's label is
  excluded by DoesNotExist. A pod always reaches itself and its own node, so that needs no rule.
  Workloads without a record of their own get no policy, unless --all: it then allows what others
  recorded, or nothing.
  What was denied becomes no rule, not even where it had been allowed before: the last word counts.
  The policies say what was seen and no more. Judge them with `enforcer trace --replay` and apply
  them in audit mode first.

Filters:
  --namespace, --pod, --workload and --label choose whose policies are written, as `enforcer flows` takes
  them: values of one are alternatives, different ones must all hold, not:VALUE must not hold. A workload is
  chosen with any of its pods. Records are chosen by --since alone, as a policy must know all of them.

Examples:
  enforcer policy suggest > policies.yaml
  enforcer policy suggest --namespace shop --since 1h
  enforcer policy suggest --cluster --workload Deployment/api
  enforcer flows --output json > flows.jsonl
  enforcer policy suggest flows.jsonl --manifests cluster.yaml > policies.yaml
  enforcer policy suggest flows.jsonl --manifests cluster.yaml --namespace shop --direction ingress
  enforcer policy suggest --label app=api --allow-outside 24
  enforcer policy suggest flows.jsonl --output json | jq '.policies[]' | kubectl apply -f -

Exit codes:
  0  the policies allow exactly what was recorded
  2  errors
  3  they allow more or less, as labels, manifests or records do not suffice: stderr and the
     comments say where")]
pub struct SuggestArgs {
    /// Records, `-` for standard input; without, those of this node's daemon.
    #[arg(value_name = "FLOWS", conflicts_with = "cluster")]
    pub flows: Option<PathBuf>,
    /// Folder or file of manifests: nodes, namespaces, pods and policies. Without, what the daemon knows.
    #[arg(long, value_name = "PATH")]
    pub manifests: Option<PathBuf>,
    /// Only records from then on: how long ago (90s, 5m, 1h30m) or RFC 3339.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only policies of this namespace; * and ? are wildcards.
    #[arg(long, short, value_name = "NAME", value_parser = term(What::Namespace))]
    pub namespace: Vec<Term>,
    /// Only the policy of the workload of this pod; NS/ are all of a namespace; * and ? are wildcards.
    #[arg(long, value_name = "NS/POD", value_parser = term(What::Pod))]
    pub pod: Vec<Term>,
    /// Only the policy of this workload, such as Deployment/api, or just api.
    #[arg(long, value_name = "KIND/NAME", value_parser = term(What::Workload))]
    pub workload: Vec<Term>,
    /// Only policies of workloads with pods that have these labels, as `kubectl --selector` takes them.
    #[arg(long, short, value_name = "SELECTOR", value_parser = term(What::Label))]
    pub label: Vec<Term>,
    /// Only this direction.
    #[arg(long, value_enum, value_name = "DIRECTION")]
    pub direction: Option<DirectionName>,
    /// Also allow what was denied, or would have been but for audit mode.
    #[arg(long)]
    pub include_denied: bool,
    /// Also policies for workloads at whose own pods nothing was recorded.
    #[arg(long)]
    pub all: bool,
    /// Join IPv4 addresses outside the cluster into blocks with prefixes of this length.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub allow_outside: Option<u8>,
    /// Join IPv6 addresses outside the cluster likewise.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=128))]
    pub allow_outside_v6: Option<u8>,
    /// How to write them: manifests, or JSON with `policies` and what is known about them.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Form,
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) cluster: ClusterArgs,
}

/// A term about pods, which have no sides here.
fn term(what: What) -> impl Fn(&str) -> Result<Term, TermError> + Clone {
    move |text| match Term::parse(what, text) {
        Ok(term) if term.side() != Side::Either => Err(TermError::NoSides(what)),
        other => other,
    }
}

/// The value of `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Manifests with comments.
    #[default]
    Yaml,
    /// One object.
    Json,
}

/// The value of `--direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DirectionName {
    /// To pods.
    Ingress,
    /// From pods.
    Egress,
}

impl SuggestArgs {
    /// Which records.
    pub(super) fn query(&self) -> Result<Query, NotAMoment> {
        let since = self.since.as_deref();
        let since = since.map(|text| moment(text, Timestamp::now()));
        Ok(Query {
            since: since.transpose()?,
            ..Query::default()
        })
    }

    fn filter(&self) -> Filter {
        let all = [&self.namespace, &self.pod, &self.workload, &self.label];
        all.into_iter().flatten().cloned().collect()
    }

    /// What the library is asked for.
    pub(super) fn options(&self) -> Options {
        Options {
            filter: self.filter(),
            direction: self.direction.map(|direction| match direction {
                DirectionName::Ingress => Direction::Ingress,
                DirectionName::Egress => Direction::Egress,
            }),
            include_denied: self.include_denied,
            all: self.all,
            widths: Widths {
                v4: self.allow_outside,
                v6: self.allow_outside_v6,
            },
        }
    }
}
