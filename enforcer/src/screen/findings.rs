//! What is wrong with a node, and what to do next.

use serde::{Deserialize, Serialize};

use super::details;
use crate::api::Status;
use crate::api::status::Fill;

/// From how much of a map on attention is due, and from how much on it is nearly too late, in percent.
const FILLING: usize = 75;
const FULL: usize = 90;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is wrong; there is something to look at.
    Hint,
    /// Worth knowing: yellow.
    Notice,
    /// Attention is due: red.
    Bad,
}

/// What something is about: a row of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// The daemon and its node.
    Daemon,
    /// Where objects come from.
    Source,
    /// Policies.
    Policies,
    /// Pods of this node.
    Endpoints,
    /// Maps in the kernel.
    Maps,
    /// Flow records.
    Flows,
    /// Packets that were dropped.
    Drops,
    /// Other policy engines.
    Engines,
    /// The CNI plugin.
    Cni,
    /// What the API server is told.
    Reports,
    /// Clients over TCP.
    Clients,
}

/// Something to know of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub topic: Topic,
    /// In a few words.
    pub text: String,
    /// Each instance of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to run next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The command.
    pub command: String,
    /// What it is good for.
    pub why: String,
}

impl Finding {
    fn new(level: Level, topic: Topic, text: impl Into<String>) -> Self {
        Self {
            level,
            topic,
            text: text.into(),
            details: Vec::new(),
            next: None,
        }
    }

    fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    fn next(mut self, command: impl Into<String>, why: &str) -> Self {
        self.next = Some(Next {
            command: command.into(),
            why: why.to_owned(),
        });
        self
    }
}

/// All that is to be known, what matters most first.
pub fn findings(status: &Status) -> Vec<Finding> {
    let found = [
        faults(status),
        problems(status),
        not_enforced(status),
        host_pods(status),
        filling(status),
        cni(status),
        audit(status),
        engines(status),
        pending(status),
        drift(status),
        lost(status),
        reports(status),
        strangers(status),
        drops(status),
    ];
    let mut found: Vec<Finding> = found.into_iter().flatten().collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.level));
    found
}

/// What is wrong with the node or the way to the API server.
fn faults(status: &Status) -> Option<Finding> {
    let topic = if status.source.behind.is_empty() {
        Topic::Daemon
    } else {
        Topic::Source
    };
    let found = Finding::new(Level::Bad, topic, "Faults of the node");
    let found = found.details(status.faults.clone());
    let why = "what the daemon logged about it";
    let found = match &status.source.manifests {
        None => found.next(details::logs(status), why),
        Some(_) => found,
    };
    (!status.faults.is_empty()).then_some(found)
}

/// What is wrong with objects. Mere warnings are no reason for red.
fn problems(status: &Status) -> Option<Finding> {
    let wrong = !status.refused.is_empty() || !status.in_force && status.faults.is_empty();
    let level = if wrong { Level::Bad } else { Level::Notice };
    let found = Finding::new(level, Topic::Policies, "Problems in the manifests");
    let found = found.details(status.problems.clone());
    let found = match (&status.source.manifests, status.refused.first()) {
        (Some(path), _) => found.next(
            format!("enforcer check {}", path.display()),
            "every mistake with its place and help",
        ),
        (None, Some(policy)) => found.next(
            format!("kubectl describe networkpolicy {}", details::flags(policy)),
            "the policy and its Events",
        ),
        (None, None) => found,
    };
    (!status.problems.is_empty()).then_some(found)
}

fn not_enforced(status: &Status) -> Option<Finding> {
    let lines = details::not_enforced(status);
    let found = Finding::new(Level::Bad, Topic::Endpoints, "Not enforced").details(lines.clone());
    let found = match details::report_of(status) {
        Some(command) => found.next(command, "what the cluster is told of it"),
        None => found.next(
            "enforcer status --verbose",
            "the links and policies of each pod",
        ),
    };
    (!lines.is_empty()).then_some(found)
}

/// Policies select them, and nobody can enforce that: no fault of this node's.
fn host_pods(status: &Status) -> Option<Finding> {
    let lines = details::host_pods(status);
    let text = "Selected by policies, but on the node's network";
    let found = Finding::new(Level::Notice, Topic::Policies, text).details(lines.clone());
    (!lines.is_empty()).then_some(found)
}

/// The map with the least room.
fn filling(status: &Status) -> Option<Finding> {
    let percent = |fill: &Fill| fill.used * 100 / fill.capacity.max(1);
    let (name, fill) = status.maps.iter().max_by_key(|(_, fill)| percent(fill))?;
    let percent = percent(fill);
    let level = if percent >= FULL {
        Level::Bad
    } else {
        Level::Notice
    };
    let text = format!("Map {name} is filled to {percent} %: what does not fit denies everything");
    let twice = fill.capacity * 2;
    let found = Finding::new(level, Topic::Maps, text).next(
        details::bigger(status, name, twice),
        "twice the room, at the daemon's next start",
    );
    (percent >= FILLING).then_some(found)
}

fn cni(status: &Status) -> Option<Finding> {
    let trouble = status.cni.as_ref()?.trouble.clone()?;
    let text = "The CNI plugin is not installed; pods start without waiting for their policies";
    let found = Finding::new(Level::Bad, Topic::Cni, text).details(vec![trouble]);
    Some(found.next("enforcer cni --help", "which directories it needs"))
}

fn audit(status: &Status) -> Option<Finding> {
    let text = "Audit mode: nothing is dropped";
    let found = Finding::new(Level::Notice, Topic::Daemon, text).next(
        "enforcer flows --verdict audit --since 5m",
        "what would be dropped",
    );
    (status.mode == "audit").then_some(found)
}

fn engines(status: &Status) -> Option<Finding> {
    let text = "Other policy engines, which packets must pass too";
    let found = Finding::new(Level::Notice, Topic::Engines, text);
    let found = found.details(status.other_engines.clone());
    (!status.other_engines.is_empty()).then_some(found)
}

fn pending(status: &Status) -> Option<Finding> {
    let links = &status.pending_links;
    let text = format!(
        "Links without a known pod ({}): {}",
        status.pending,
        links.join(" ")
    );
    let found = Finding::new(Level::Notice, Topic::Endpoints, text);
    let found = match (&status.source.manifests, &status.node) {
        (None, Some(node)) => found.next(
            format!(
                "kubectl get pods --all-namespaces --output wide --field-selector spec.nodeName={node}"
            ),
            "the pods that should be here",
        ),
        _ => found,
    };
    (!links.is_empty()).then_some(found)
}

fn drift(status: &Status) -> Option<Finding> {
    let maps = status.drift_repaired.iter();
    let maps: Vec<String> = maps.map(|(map, n)| format!("{map} {n}")).collect();
    let text = format!(
        "Map entries that were not as written, repaired: {}",
        maps.join(", ")
    );
    (!maps.is_empty()).then(|| Finding::new(Level::Notice, Topic::Maps, text))
}

fn lost(status: &Status) -> Option<Finding> {
    let recent = &status.recent;
    let text = format!(
        "{} events came too fast to be reported in the last {}",
        recent.lost,
        details::time(recent.seconds)
    );
    let found = Finding::new(Level::Notice, Topic::Flows, text).next(
        "enforcer flows --last 20",
        "who talks that much; `--events-per-second` of `enforcer run` reports more",
    );
    (recent.lost > 0).then_some(found)
}

fn reports(status: &Status) -> Option<Finding> {
    let why = status.reports.as_ref()?;
    let text = format!("No reports to the API server: {why}");
    let found = Finding::new(Level::Notice, Topic::Reports, text);
    Some(found.next(details::logs(status), "what the daemon logged about it"))
}

fn strangers(status: &Status) -> Option<Finding> {
    let text = format!(
        "{} connections to the API's port were refused: they were not root's",
        status.refused_clients
    );
    (status.refused_clients > 0).then(|| Finding::new(Level::Notice, Topic::Clients, text))
}

/// Denials are what policies are for; what else is dropped is odd.
fn drops(status: &Status) -> Option<Finding> {
    let by_policy = |name: &str| name.ends_with("-denied") || name.ends_with("/revoked");
    let mut names = status.recent.drops.keys();
    let level = if names.all(|name| by_policy(name)) {
        Level::Hint
    } else {
        Level::Notice
    };
    let text = "Packets were dropped";
    let found = Finding::new(level, Topic::Drops, text).next(
        "enforcer flows --verdict denied --since 5m",
        "who was denied what, and why",
    );
    let audit = status.mode == "audit";
    (!status.recent.drops.is_empty() && !audit).then_some(found)
}
