//! The options of `enforcer policy suggest`.

use std::path::PathBuf;

use enforcer_common::abi::Direction;

use crate::api::DEFAULT_SOCKET;
use crate::suggest::{Options, Widths};

/// Suggest the least network policies that allow what was recorded.
///
/// One policy for each workload: it selects the pods by the labels that all of them have, except
/// those that change with every revision, and allows what was recorded at either end. What was
/// denied is listed at the end as a comment.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Records:
  A file of `enforcer flows --output json`, of one node or several behind one another; `-` is
  standard input. Without FLOWS the daemon of this node is asked for what it keeps.
  Pods that no policy isolates make no records. To learn what they need, isolate them by a policy
  that allows everything (`ingress: [{}]`, `egress: [{}]`), or deny in audit mode and use
  --include-denied.

Manifests:
  --manifests says which other pods have the same labels, what ports are called, and what is not
  there any more: write it with `kubectl get pods,namespaces,nodes,networkpolicies -A -o yaml`.
  Without, only pods of the records are known, and the answer is never called exact.

Policies:
  Peers in other namespaces are named by kubernetes.io/metadata.name; nodes and what is outside the
  cluster by their addresses. Where two workloads have the same labels but one, the other's label is
  excluded by DoesNotExist. A pod always reaches itself and its own node, so that needs no rule.
  Workloads without a record of their own get no policy, unless --all: it then allows what others
  recorded, or nothing.
  The policies say what was seen and no more. Judge them with `enforcer trace --replay` and apply
  them in audit mode first.

Examples:
  enforcer flows --output json > flows.jsonl
  enforcer policy suggest flows.jsonl --manifests cluster.yaml > policies.yaml
  enforcer policy suggest flows.jsonl --manifests cluster.yaml --namespace shop --direction ingress
  enforcer policy suggest --workload Deployment/api --allow-outside 24
  enforcer policy suggest flows.jsonl --output json | jq '.policies[]' | kubectl apply -f -

Exit codes:
  0  the policies allow exactly what was recorded
  2  errors
  3  they allow more or less, as labels, manifests or records do not suffice: stderr and the
     comments say where")]
pub struct SuggestArgs {
    /// Records, `-` for standard input; without, those of this node's daemon.
    #[arg(value_name = "FLOWS")]
    pub flows: Option<PathBuf>,
    /// Folder or file of manifests: nodes, namespaces, pods and policies.
    #[arg(long, value_name = "PATH")]
    pub manifests: Option<PathBuf>,
    /// Only policies of this namespace; may be repeated.
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// Only the policy of this workload, such as Deployment/api, or just api; may be repeated.
    #[arg(long, value_name = "KIND/NAME")]
    pub workload: Vec<String>,
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
    /// What the library is asked for.
    pub(super) fn options(&self) -> Options {
        Options {
            namespaces: self.namespace.clone(),
            workloads: self.workload.clone(),
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
