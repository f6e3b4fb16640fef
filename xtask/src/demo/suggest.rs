//! The last act: policies from what was seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::pods::{API, DB, WEB};
use super::probe::{self, Attempt, Outcome, Pair};
use super::story::{Show, write};
use super::table::{self, Cell, plain};
use super::{flow, interrupt};
use crate::ui::{self, Colour, paint};
use crate::{shell, workspace};

const OBSERVE: &str = include_str!("../../../demo/observe.yaml");
/// Who connects to whom while flows are recorded.
const SEEN: [Pair; 2] = [(&WEB, &API), (&API, &DB)];
/// How often each of them does.
const TIMES: usize = 3;
/// How long records and counters may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the attempts of a pair.
struct Row {
    pair: Pair,
    tried: u64,
    connected: u64,
    /// Packets that `enforcer flows` tells were denied.
    denied: u64,
}

impl Show<'_> {
    pub(super) fn the_suggestion(&mut self) -> Result<()> {
        ui::heading("5. `enforcer policy suggest`: the least policies for what was seen");
        let since = self.observe()?;
        let policies = self.suggest(since)?;
        self.apply(&policies, since)?;
        let seen = self.try_again("the same traffic", &SEEN)?;
        let others: Vec<Pair> = probe::pairs().filter(|pair| !SEEN.contains(pair)).collect();
        let others = self.try_again("any other traffic", &others)?;
        let rows: Vec<Row> = seen.into_iter().chain(others).collect();
        ui::line(table::draw(&cells(&rows)));
        for row in &rows {
            self.surprises.extend(row.surprise());
        }
        Ok(())
    }

    /// Waits until every packet that was denied so far is in a record: some are told a second later.
    fn settle(&mut self) -> Result<()> {
        let daemon = &mut self.daemon;
        let settled = interrupt::until(PATIENCE, || {
            let records = daemon.records(Timestamp::UNIX_EPOCH, &["--verdict", "denied"])?;
            Ok((flow::all_packets(&records) == daemon.denied()?).then_some(()))
        })?;
        settled.context("`enforcer flows` should tell of every packet that was denied")
    }

    /// Lets everything pass and records it.
    fn observe(&mut self) -> Result<Timestamp> {
        write(&self.manifests("observe.yaml"), OBSERVE)?;
        remove(&self.manifests("db-policy.yaml"))?;
        self.daemon.wait()?;
        self.settle()?;
        let since = Timestamp::now();
        ui::line("  demo/observe.yaml lets everything pass, so that every connection is recorded:");
        let attempts = connect(&SEEN)?;
        let failed = probe::surprises(&attempts, |_, _| true);
        self.surprises.extend(failed);
        // Both ends make a record of each connection.
        let daemon = &mut self.daemon;
        let recorded = interrupt::until(PATIENCE, || {
            let records = daemon.records(since, &["--verdict", "allowed"])?;
            let all = SEEN
                .iter()
                .all(|(from, to)| flow::packets(&records, from, to).1 >= 2 * TIMES);
            Ok(all.then_some(()))
        })?;
        if recorded.is_none() {
            bail!("each connection should have a record at both ends");
        }
        for (from, to) in SEEN {
            ui::line(format_args!(
                "    {} → {}, {TIMES} times",
                from.name,
                to.service()
            ));
        }
        Ok(since)
    }

    /// Asks for policies. That they are not exact would be an error here.
    fn suggest(&mut self, since: Timestamp) -> Result<String> {
        let since = since.to_string();
        let arguments = ["policy", "suggest", "--since", &since];
        ui::line(format_args!(
            "  enforcer {} says:",
            arguments[..2].join(" ")
        ));
        let policies = self.daemon.ask(&arguments)?;
        for line in policies.lines() {
            ui::line(paint(Colour::Dim, format_args!("    {line}")));
        }
        Ok(policies)
    }

    /// Puts the policies in the place of the one that lets everything pass.
    fn apply(&mut self, policies: &str, since: Timestamp) -> Result<()> {
        let path = self.manifests("suggested.yaml");
        write(&path, policies)?;
        let mut check = Command::new(workspace::enforcer("release"));
        check.arg("check").arg(&path);
        shell::quiet(check).context("the suggestion should pass `enforcer check`")?;
        remove(&self.manifests("observe.yaml"))?;
        self.daemon.wait()?;
        ui::line(
            "  they pass `enforcer check` and are in force; `enforcer trace --replay` denies nothing:",
        );
        let since = since.to_string();
        let replay = self.daemon.ask(&["trace", "--replay", "--since", &since])?;
        for line in replay.lines() {
            ui::line(paint(Colour::Dim, format_args!("    {line}")));
        }
        Ok(())
    }

    /// Tries pairs again and counts what was denied: by `enforcer flows`, which must agree with the counters
    /// in the kernel.
    fn try_again(&mut self, what: &str, pairs: &[Pair]) -> Result<Vec<Row>> {
        let before = self.daemon.denied()?;
        let since = Timestamp::now();
        let attempts = connect(pairs)?;
        let daemon = &mut self.daemon;
        let mut figures = (0, 0);
        let agreed = interrupt::until(PATIENCE, || {
            let records = daemon.records(since, &["--verdict", "denied"])?;
            let rows: Vec<Row> = pairs
                .iter()
                .map(|pair| Row::new(*pair, &attempts, &records))
                .collect();
            figures = (
                rows.iter().map(|row| row.denied).sum(),
                daemon.denied()? - before,
            );
            Ok((figures.0 == figures.1).then_some(rows))
        })?;
        let (told, counted) = figures;
        let Some(rows) = agreed else {
            bail!(
                "{what}: `enforcer flows` tells of {told} denied packets, and the kernel counted {counted}"
            );
        };
        ui::line(format_args!(
            "  {what}: {told} packets denied, by `enforcer flows` as by the kernel's counters"
        ));
        Ok(rows)
    }

    fn manifests(&self, file: &str) -> PathBuf {
        self.stage.manifests().join(file)
    }
}

impl Row {
    fn new(pair: Pair, attempts: &[Attempt], records: &str) -> Self {
        let (from, to) = pair;
        let own = attempts.iter().filter(|one| (one.from, one.to) == pair);
        let mut row = Self {
            pair,
            tried: 0,
            connected: 0,
            denied: flow::packets(records, from, to).0,
        };
        for attempt in own {
            row.tried += 1;
            row.connected += u64::from(matches!(attempt.outcome, Outcome::Connected(_)));
        }
        row
    }

    fn is_seen(&self) -> bool {
        SEEN.contains(&self.pair)
    }

    /// What is not as it must be: what was seen goes on without a denial, and nothing else connects.
    fn surprise(&self) -> Option<String> {
        let held = if self.is_seen() {
            self.connected == self.tried && self.denied == 0
        } else {
            self.connected == 0 && self.denied >= self.tried
        };
        let (from, to) = self.pair;
        let (tried, connected, denied) = (self.tried, self.connected, self.denied);
        (!held).then(|| {
            format!(
                "under the suggested policies {} → {} was tried {tried} times, connected {connected} times \
                 and had {denied} packets denied",
                from.name,
                to.service()
            )
        })
    }
}

fn cells(rows: &[Row]) -> Vec<Vec<Cell>> {
    let head = ["", "seen before", "tried", "connected", "packets denied"];
    let head = head.map(|text| (text.to_owned(), Some(Colour::Bold)));
    let rows = rows.iter().map(|row| {
        let (from, to) = row.pair;
        let colour = if row.is_seen() {
            Colour::Green
        } else {
            Colour::Red
        };
        vec![
            (
                format!("{} → {}", from.name, to.service()),
                Some(Colour::Bold),
            ),
            plain(if row.is_seen() { "yes" } else { "no" }),
            plain(row.tried.to_string()),
            (row.connected.to_string(), Some(colour)),
            (row.denied.to_string(), Some(colour)),
        ]
    });
    [head.to_vec()].into_iter().chain(rows).collect()
}

/// Every pair tries, all at once, and that some times.
fn connect(pairs: &[Pair]) -> Result<Vec<Attempt>> {
    let again = std::iter::repeat_n(pairs, TIMES).flatten();
    probe::all(again.copied())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pair: Pair, connected: u64, denied: u64) -> Row {
        Row {
            pair,
            tried: 3,
            connected,
            denied,
        }
    }

    #[test]
    fn what_was_seen_must_go_on_without_a_denial() {
        let seen = SEEN[0];
        assert_eq!(row(seen, 3, 0).surprise(), None);
        assert!(row(seen, 2, 0).surprise().is_some());
        assert!(row(seen, 3, 1).surprise().is_some());
    }

    #[test]
    fn what_was_not_seen_must_be_denied_each_time() {
        let other = (SEEN[0].1, SEEN[0].0);
        assert_eq!(row(other, 0, 3).surprise(), None);
        assert!(row(other, 1, 3).surprise().is_some());
        assert!(row(other, 0, 2).surprise().is_some());
    }
}
