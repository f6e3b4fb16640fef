//! A node in numbers: what travels of it through the API server.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, findings};
use crate::api::Status;
use crate::api::status::{EndpointStatus, FlowStatus};

/// More instances of a finding than this are not told.
const DETAILS: usize = 3;

/// Under what name a status counts new flows that were not reported.
const UNREPORTED: &str = "allowed";

/// A node in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Everything read is in force in the kernel.
    pub in_force: bool,
    /// Version of the daemon.
    pub version: String,
    /// `enforce` or `audit`.
    pub mode: String,
    /// Since when the daemon runs.
    pub started: Option<Timestamp>,
    /// What the kernel calls itself.
    pub kernel: String,
    /// Pods of the node.
    pub endpoints: Endpoints,
    /// Policies.
    pub policies: Policies,
    /// Packets dropped in the last minutes, or that would have been.
    pub drops: u64,
    /// The fill of the fullest map, in percent.
    pub fill: usize,
    /// Flow records.
    #[serde(default)]
    pub flows: FlowStatus,
    /// New flows that were not reported, as there were too many at a time.
    #[serde(default)]
    pub unreported: u64,
    /// What is to be known, what matters most first.
    pub findings: Vec<Finding>,
}

/// Pods of a node, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// All.
    pub all: usize,
    /// Isolated towards the pod alone.
    pub ingress: usize,
    /// Isolated from the pod alone.
    pub egress: usize,
    /// Isolated both ways.
    pub both: usize,
    /// No policy isolates them.
    pub open: usize,
    /// Not enforced, or not at all of their links; they are not counted above.
    pub not_enforced: usize,
    /// Links whose pod is not known; they are no pods.
    pub pending: usize,
}

/// Policies, as a node sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// All that were read.
    pub all: usize,
    /// Those that select pods of this node and hold for all of them.
    pub enforced: usize,
    /// Those that do not hold for a pod of this node.
    pub not_enforced: usize,
    /// Those that select no pod of this node.
    pub elsewhere: usize,
    /// Those that are refused for mistakes.
    pub refused: usize,
}

impl Summary {
    /// Of a whole status.
    pub fn of(status: &Status) -> Self {
        let maps = status.maps.values();
        let fill = maps.map(|fill| fill.used * 100 / fill.capacity.max(1));
        let unreported = status.events_suppressed.get(UNREPORTED);
        let mut findings = findings(status);
        for finding in &mut findings {
            let rest = finding.details.len().saturating_sub(DETAILS);
            finding.details.truncate(DETAILS);
            if rest > 0 {
                finding.details.push(format!("and {rest} more"));
            }
        }
        Self {
            in_force: status.in_force,
            version: status.version.clone(),
            mode: status.mode.clone(),
            started: status.about.started,
            kernel: status.about.kernel.clone(),
            endpoints: Endpoints::of(status),
            policies: Policies::of(status),
            drops: status.recent.drops.values().sum(),
            fill: fill.max().unwrap_or_default(),
            flows: status.flows,
            unreported: unreported.copied().unwrap_or_default(),
            findings,
        }
    }
}

impl Endpoints {
    pub(super) fn of(status: &Status) -> Self {
        let mut counts = Self {
            all: status.endpoints.len(),
            pending: status.pending_links.len(),
            ..Self::default()
        };
        for endpoint in &status.endpoints {
            *counts.state(endpoint) += 1;
        }
        counts
    }

    const fn state(&mut self, endpoint: &EndpointStatus) -> &mut usize {
        let isolated = (!endpoint.ingress.is_empty(), !endpoint.egress.is_empty());
        match (&endpoint.not_enforced, isolated) {
            (Some(_), _) => &mut self.not_enforced,
            (None, (true, true)) => &mut self.both,
            (None, (true, false)) => &mut self.ingress,
            (None, (false, true)) => &mut self.egress,
            (None, (false, false)) => &mut self.open,
        }
    }
}

impl Policies {
    pub(super) fn of(status: &Status) -> Self {
        let mut counts = Self {
            all: status.policies.len(),
            refused: status.refused.len(),
            ..Self::default()
        };
        for policy in &status.policies {
            if !policy.not_enforced.is_empty() {
                counts.not_enforced += 1;
            } else if policy.selected > 0 {
                counts.enforced += 1;
            } else {
                counts.elsewhere += 1;
            }
        }
        counts
    }
}
