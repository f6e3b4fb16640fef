//! The demo, told step by step.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::connection::{Connection, PERIOD, SILENCE};
use super::daemon::Daemon;
use super::flow::{self, Drop};
use super::pods::{API, DB, Pod, WEB};
use super::stage::Stage;
use super::{interrupt, probe, table};
use crate::ui::{self, Colour, paint};

const CLUSTER: &str = include_str!("../../../demo/cluster.yaml");
const POLICY: &str = include_str!("../../../demo/db-policy.yaml");
const POLICY_NAME: &str = "db-policy";
/// The edit of the last step.
const BEFORE: &str = "role: api";
const AFTER: &str = "role: web";

/// Builds the stage, shows every step and takes everything down again, whatever happens.
pub(super) fn tell(keep: bool) -> Result<()> {
    interrupt::listen()?;
    ui::heading("Three pods, joined to the host by veths");
    let stage = Stage::build()?;
    let outcome = with(&stage, keep);
    drop(stage);
    ui::line(paint(
        Colour::Dim,
        "\n  cleaned up: namespaces, veths, daemon, BPF pins, files",
    ));
    outcome
}

fn with(stage: &Stage, keep: bool) -> Result<()> {
    write(&stage.manifests().join("cluster.yaml"), CLUSTER)?;
    probe::serve()?;
    let mut show = Show {
        stage,
        daemon: Daemon::start(stage)?,
        surprises: Vec::new(),
    };
    show.daemon.wait()?;
    for pod in [&WEB, &API, &DB] {
        ui::line(format_args!(
            "  {:<4} {:<12} namespace {}",
            pod.name,
            pod.address,
            pod.netns()
        ));
    }
    show.before_the_policy()?;
    show.with_the_policy()?;
    show.the_drop()?;
    show.the_live_edit()?;
    show.the_suggestion()?;
    if keep {
        show.linger();
    }
    show.verdict()
}

pub(super) struct Show<'a> {
    pub(super) stage: &'a Stage,
    pub(super) daemon: Daemon,
    /// What did not hold.
    pub(super) surprises: Vec<String>,
}

impl Show<'_> {
    fn before_the_policy(&mut self) -> Result<()> {
        ui::heading("1. Without a policy everything connects");
        self.matrix(|_, _| true)
    }

    fn with_the_policy(&mut self) -> Result<()> {
        ui::heading("2. The policy: only api may connect to db, and only to TCP 3306");
        let time = self.put_policy(POLICY)?;
        ui::line(format_args!(
            "  demo/db-policy.yaml is in force {} ms after it was written",
            time.as_millis()
        ));
        self.matrix(|from, to| to != &DB || from == &API)
    }

    fn the_drop(&mut self) -> Result<()> {
        ui::heading("3. The drop, as `enforcer flows --verdict denied` reports it");
        self.show_drop(&WEB, &DB)
    }

    fn the_live_edit(&mut self) -> Result<()> {
        ui::heading("4. A live edit cuts the connection that is no longer allowed");
        let connection = Connection::open(&API, &DB)?;
        interrupt::pause(Duration::from_secs(1))?;
        let before = connection.answers();
        ui::line(format_args!(
            "  api → db:3306 is open: a counter goes there and back every {} ms, {} times so far",
            PERIOD.as_millis(),
            before.count
        ));
        if before.count == 0 {
            self.surprises
                .push("the connection api → db:3306 should exchange data".into());
        }
        ui::line("  the edit of db-policy.yaml:");
        ui::line(paint(
            Colour::Red,
            format_args!("    -              {BEFORE}"),
        ));
        ui::line(paint(
            Colour::Green,
            format_args!("    +              {AFTER}"),
        ));
        let written = Instant::now();
        let in_force = self.put_policy(&edited(POLICY)?)?;
        self.see_it_cut(&connection, written, in_force)?;
        // Before anything else fails between the two: this is the connection itself.
        self.show_drop(&API, &DB)?;
        self.matrix(|from, to| to != &DB || from == &WEB)
    }

    /// Waits for the connection to fall silent, and says when it did.
    fn see_it_cut(
        &mut self,
        connection: &Connection,
        written: Instant,
        in_force: Duration,
    ) -> Result<()> {
        let cut = interrupt::until(SILENCE * 4, || {
            let last = connection.answers().last;
            Ok((last.elapsed() > SILENCE).then_some(last))
        })?;
        let Some(last) = cut else {
            self.surprises
                .push("the connection api → db:3306 should be cut, but it goes on".into());
            return Ok(());
        };
        ui::line(format_args!(
            "  in force after {} ms; {} after {} ms, at count {}",
            in_force.as_millis(),
            paint(Colour::Red, "the connection is cut: its last answer came"),
            last.saturating_duration_since(written).as_millis(),
            connection.answers().count
        ));
        Ok(())
    }

    /// Tries every pair, shows the table and remembers what did not hold.
    fn matrix(&mut self, allowed: impl Fn(&Pod, &Pod) -> bool) -> Result<()> {
        interrupt::check()?;
        let attempts = probe::everyone()?;
        ui::line(table::matrix(&attempts));
        let surprises = probe::surprises(&attempts, allowed);
        for surprise in &surprises {
            ui::line(paint(Colour::Red, format_args!("  {surprise}")));
        }
        self.surprises.extend(surprises);
        Ok(())
    }

    /// Shows the first drop between two pods, which must name the policy.
    fn show_drop(&mut self, from: &Pod, to: &Pod) -> Result<()> {
        let daemon = &mut self.daemon;
        let drop: Option<Drop> = interrupt::until(Duration::from_secs(3), || {
            Ok(flow::between(&daemon.drops()?, from, to).into_iter().next())
        })?;
        match drop {
            Some(drop) if drop.names(POLICY_NAME) => ui::line(drop.table()),
            Some(drop) => {
                ui::line(drop.table());
                self.surprises
                    .push(format!("the drop should name {POLICY_NAME}"));
            }
            None => self.surprises.push(format!(
                "the drop {} → {} should be reported",
                from.name,
                to.service()
            )),
        }
        Ok(())
    }

    /// Writes the policy and waits until it is in force; returns how long that took.
    fn put_policy(&mut self, text: &str) -> Result<Duration> {
        let start = Instant::now();
        write(&self.stage.manifests().join("db-policy.yaml"), text)?;
        self.daemon.wait()?;
        Ok(start.elapsed())
    }

    /// Leaves everything standing until a signal comes.
    fn linger(&self) {
        ui::heading("Everything stays until Ctrl-C. Try:");
        ui::line(format_args!("  {}", self.daemon.command_line("status")));
        ui::line(format_args!(
            "  {}",
            self.daemon.command_line("flows --follow")
        ));
        ui::line(format_args!(
            "  edit a file in {}",
            self.stage.manifests().display()
        ));
        ui::line(format_args!("  ip netns exec {} sh", WEB.netns()));
        while interrupt::check().is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn verdict(self) -> Result<()> {
        if self.surprises.is_empty() {
            ui::heading("Everything held.");
            return Ok(());
        }
        bail!(
            "the demo did not go as it must:\n  {}",
            self.surprises.join("\n  ")
        )
    }
}

/// The policy after the edit.
fn edited(policy: &str) -> Result<String> {
    if policy.matches(BEFORE).count() != 1 {
        bail!("demo/db-policy.yaml should have `{BEFORE}` exactly once");
    }
    Ok(policy.replace(BEFORE, AFTER))
}

/// Puts a whole file in place at once: the daemon never reads half of it.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edit_changes_one_line_of_the_policy() {
        let edited = edited(POLICY).unwrap();
        let changed: Vec<_> = POLICY
            .lines()
            .zip(edited.lines())
            .filter(|(before, after)| before != after)
            .collect();
        assert_eq!(
            changed,
            [("              role: api", "              role: web")]
        );
    }

    #[test]
    fn a_policy_without_the_line_to_edit_is_an_error() {
        assert!(edited("kind: NetworkPolicy").is_err());
    }
}
