//! The screen of a node.

use std::fmt;

use jiff::Timestamp;

use super::paint::Painted;
use super::{Finding, Level, Next, findings, lists, rows};
use crate::api::Status;

/// How many commands are proposed.
const NEXT: usize = 5;

/// The screen of a node; printed by its `Display`.
#[derive(Clone, Copy, Debug)]
pub struct NodeScreen<'a> {
    /// What the daemon says.
    pub status: &'a Status,
    /// The time, for how long something lasts.
    pub now: Timestamp,
    /// With colours.
    pub colour: bool,
    /// With all endpoints and policies.
    pub verbose: bool,
}

impl NodeScreen<'_> {
    const fn paint<T>(&self, text: T, level: Option<Level>) -> Painted<T> {
        let colour = self.colour;
        Painted {
            text,
            level,
            colour,
        }
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        write!(f, "enforcer {}", status.version)?;
        if let Some(node) = &status.node {
            write!(f, " on {node}")?;
        }
        let (state, level) = if status.in_force {
            ("in force", None)
        } else {
            ("NOT in force", Some(Level::Bad))
        };
        writeln!(f, ": {}", self.paint(state, level))
    }

    fn section(&self, f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
        let Finding { text, details, .. } = finding;
        let colon = if details.is_empty() { "" } else { ":" };
        let title = format!("{text}{colon}");
        writeln!(f, "\n{}", self.paint(title, Some(finding.level)))?;
        for line in details {
            writeln!(f, "  {}", line.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl fmt::Display for NodeScreen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = findings(self.status);
        self.head(f)?;
        for (name, topic, text) in rows::rows(self.status, self.now) {
            let about = found.iter().filter(|one| one.topic == topic);
            let level = about.map(|one| one.level).max();
            writeln!(f, "  {}{text}", self.paint(format!("{name:<12}"), level))?;
        }
        for finding in found.iter().filter(|one| one.level > Level::Hint) {
            self.section(f, finding)?;
        }
        if self.verbose {
            lists::write(f, self.status)?;
        }
        next(f, found.iter().filter_map(|one| one.next.as_ref()))
    }
}

/// The commands to run next, each once.
pub(super) fn next<'a>(
    f: &mut fmt::Formatter<'_>,
    all: impl Iterator<Item = &'a Next>,
) -> fmt::Result {
    let mut told: Vec<&Next> = Vec::new();
    for one in all {
        if told.len() < NEXT && !told.iter().any(|before| before.command == one.command) {
            told.push(one);
        }
    }
    if !told.is_empty() {
        writeln!(f, "\nNext:")?;
    }
    for Next { command, why } in told {
        writeln!(f, "  {command}  # {why}")?;
    }
    Ok(())
}
