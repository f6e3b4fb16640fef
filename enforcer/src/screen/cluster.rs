//! The screen of a cluster: a row for each node.

use std::cmp::Reverse;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::details::since;
use super::node::next;
use super::paint::Painted;
use super::{Finding, Level, Next, Summary};

/// A node, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The node's name.
    pub node: String,
    /// The daemon's pod, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the daemon says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// The screen of a cluster; printed by its `Display`, and for programs as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterScreen {
    /// The daemons' namespace.
    namespace: String,
    totals: Totals,
    /// The worst first.
    nodes: Vec<Row>,
    /// What could not be found out about the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip)]
    now: Timestamp,
    /// With colours.
    #[serde(skip)]
    pub colour: bool,
}

/// All nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Totals {
    nodes: usize,
    /// Nothing is wrong there.
    healthy: usize,
    /// Something is worth knowing there.
    noticed: usize,
    /// Attention is due there.
    bad: usize,
    /// Those of these without a daemon.
    absent: usize,
    /// Those of these whose daemon does not answer.
    silent: usize,
    endpoints: usize,
    not_enforced: usize,
    /// Packets dropped in the last minutes.
    drops: u64,
}

impl ClusterScreen {
    /// The nodes, the worst first.
    pub fn rows(&self) -> &[Row] {
        &self.nodes
    }
}

impl Row {
    /// How bad it is.
    fn level(&self) -> Level {
        let Some(summary) = &self.summary else {
            return Level::Bad;
        };
        let levels = summary.findings.iter().map(|finding| finding.level);
        let least = if summary.in_force {
            Level::Hint
        } else {
            Level::Bad
        };
        levels.max().unwrap_or(Level::Hint).max(least)
    }

    const fn state(&self) -> &'static str {
        match (&self.summary, &self.pod) {
            (Some(Summary { in_force: true, .. }), _) => "in force",
            (Some(_), _) => "NOT in force",
            (None, Some(_)) => "NO ANSWER",
            (None, None) => "NO DAEMON",
        }
    }

    fn cells(&self, now: Timestamp) -> [String; 7] {
        let state = self.state().to_owned();
        let dash = || "-".to_owned();
        let Some(summary) = &self.summary else {
            let [version, up, endpoints, drops, maps] = [(); 5].map(|()| dash());
            return [
                self.node.clone(),
                state,
                version,
                up,
                endpoints,
                drops,
                maps,
            ];
        };
        let pods = summary.endpoints;
        let isolated = pods.ingress + pods.egress + pods.both;
        [
            self.node.clone(),
            state,
            summary.version.clone(),
            since(summary.started, now),
            format!("{}/{isolated}/{}", pods.all, pods.not_enforced),
            summary.drops.to_string(),
            format!("{} %", summary.fill),
        ]
    }

    /// What stands at the end of the row.
    fn why(&self) -> String {
        let finding = || {
            let found = self.summary.as_ref()?.findings.first()?;
            (found.level > Level::Hint).then(|| in_a_line(found))
        };
        let why = self.error.clone().or_else(finding).unwrap_or_default();
        why.replace('\n', " ")
    }

    fn next(&self, namespace: &str) -> Option<Next> {
        let (command, why) = match (&self.pod, &self.summary) {
            _ if self.level() < Level::Bad => return None,
            (None, _) => (
                format!("kubectl describe daemonset --namespace {namespace} enforcer"),
                format!("why {} has no daemon", self.node),
            ),
            (Some(pod), None) => (
                format!("kubectl describe pod --namespace {namespace} {pod}"),
                format!("why the daemon of {} does not answer", self.node),
            ),
            (Some(pod), Some(_)) => (
                format!("kubectl exec --namespace {namespace} {pod} -- enforcer status"),
                format!("all about {}", self.node),
            ),
        };
        Some(Next { command, why })
    }
}

fn in_a_line(finding: &Finding) -> String {
    match &*finding.details {
        [] => finding.text.clone(),
        [one] => format!("{}: {one}", finding.text),
        [first, rest @ ..] => format!("{}: {first} (and {} more)", finding.text, rest.len()),
    }
}

impl ClusterScreen {
    /// Of these nodes.
    pub fn new(namespace: &str, mut nodes: Vec<Row>, notes: Vec<String>, now: Timestamp) -> Self {
        nodes.sort_by(|one, other| {
            let rank = |row: &Row| (Reverse(row.level()), row.summary.is_some());
            (rank(one), &one.node).cmp(&(rank(other), &other.node))
        });
        Self {
            namespace: namespace.to_owned(),
            totals: Totals::of(&nodes),
            nodes,
            notes,
            now,
            colour: false,
        }
    }

    /// Whether no node needs attention.
    pub const fn is_healthy(&self) -> bool {
        self.totals.bad == 0
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["NODE", "STATE", "VERSION", "UP", "PODS*", "DROPS", "MAPS"];
        let cells: Vec<[String; 7]> = self.nodes.iter().map(|row| row.cells(self.now)).collect();
        let mut widths = heads.map(str::len);
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        line(f, &heads, &widths)?;
        writeln!(f, "ATTENTION")?;
        for (row, cells) in self.nodes.iter().zip(&cells) {
            let level = Some(row.level());
            let (text, colour) = (InLine(cells, &widths), self.colour);
            let why = row.why();
            let painted = Painted {
                text,
                level,
                colour,
            };
            writeln!(f, "{painted}{why}")?;
        }
        writeln!(
            f,
            "* all/isolated/not enforced; drops: packets in the last minutes; maps: the fullest"
        )
    }
}

struct InLine<'a>(&'a [String; 7], &'a [usize; 7]);

impl fmt::Display for InLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, self.0, self.1)
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[impl fmt::Display], widths: &[usize]) -> fmt::Result {
    for (cell, width) in cells.iter().zip(widths) {
        write!(f, "{cell:<width$}  ")?;
    }
    Ok(())
}

impl Totals {
    fn of(nodes: &[Row]) -> Self {
        let mut totals = Self {
            nodes: nodes.len(),
            ..Self::default()
        };
        for row in nodes {
            match row.level() {
                Level::Hint => totals.healthy += 1,
                Level::Notice => totals.noticed += 1,
                Level::Bad => totals.bad += 1,
            }
            match (&row.summary, &row.pod) {
                (Some(summary), _) => {
                    totals.endpoints += summary.endpoints.all;
                    totals.not_enforced += summary.endpoints.not_enforced;
                    totals.drops += summary.drops;
                }
                (None, Some(_)) => totals.silent += 1,
                (None, None) => totals.absent += 1,
            }
        }
        totals
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} nodes: {} healthy, {} to look at, {} need attention ({} without a daemon, {} without an answer); \
             {} pods, {} not enforced; {} packets dropped",
            self.nodes,
            self.healthy,
            self.noticed,
            self.bad,
            self.absent,
            self.silent,
            self.endpoints,
            self.not_enforced,
            self.drops
        )
    }
}

impl fmt::Display for ClusterScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(f)?;
        let level = (!self.is_healthy()).then_some(Level::Bad);
        let (text, colour) = (self.totals, self.colour);
        let totals = Painted {
            text,
            level,
            colour,
        };
        writeln!(f, "\n{totals}")?;
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        let proposed: Vec<Next> = self
            .nodes
            .iter()
            .filter_map(|row| row.next(&self.namespace))
            .collect();
        next(f, proposed.iter())
    }
}
