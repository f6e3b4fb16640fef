//! What went wrong, told so that it can be repeated.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use enforcer_lab::Families;
use enforcer_policy::oracle::{Objects, Part};

use crate::common::PROGRAM;
use crate::manifests::{key_of, manifests};
use crate::probe::{Kind, Probe, Wrong};
use crate::round::Round;
use crate::stage::Stage;
use crate::world::World;

/// How many wrong answers are told in full.
const TOLD: usize = 3;

/// Why a round failed.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    wrong: Vec<Wrong>,
    round: Round,
}

impl Failure {
    pub(crate) fn new(
        round: Round,
        (stage, families): (Stage, Families),
        step: usize,
        done: &[String],
        wrong: Vec<Wrong>,
        what: &str,
    ) -> Self {
        let Round { seed, number } = round;
        let mut text = format!(
            "seed {seed}, round {number} ({}, {:?}), step {step}: {what}\n",
            stage.name, families
        );
        for line in done {
            let _ = writeln!(text, "  just done: {line}");
        }
        let _ = writeln!(text, "  {} wrong answers", wrong.len());
        Self { text, wrong, round }
    }

    /// Adds what the world and the program say, and leaves it in a directory.
    pub(crate) fn with(mut self, world: &World, objects: &Objects) -> Self {
        let directory = directory(self.round);
        let _ = fs::remove_dir_all(&directory);
        let folder = directory.join("manifests");
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in manifests(objects) {
            fs::write(folder.join(name), text).unwrap();
        }
        let mut told: Vec<&Wrong> = self.wrong.iter().collect();
        told.sort_by_key(|wrong| wrong.probe.id);
        told.dedup_by(|one, other| one.probe.id == other.probe.id && one.seen == other.seen);
        for wrong in told.iter().take(TOLD) {
            tell(&mut self.text, wrong, &folder, objects);
        }
        for wrong in told.iter().skip(TOLD) {
            let _ = writeln!(self.text, "  {}: {}", wrong.probe, wrong.seen);
        }
        let Round { seed, number } = self.round;
        let _ = writeln!(
            self.text,
            "  everything is in {}\n  again: cargo xtask wire --seed {seed} --round {number}",
            directory.display()
        );
        for (number, daemon) in world.daemons.iter().enumerate() {
            fs::write(directory.join(format!("log-{number}")), daemon.log()).unwrap();
        }
        fs::write(directory.join("report"), &self.text).unwrap();
        self
    }
}

fn directory(round: Round) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire");
    target.join(format!("seed-{}-round-{}", round.seed, round.number))
}

fn tell(text: &mut String, wrong: &Wrong, folder: &Path, objects: &Objects) {
    let Probe {
        answer, allowed, ..
    } = &wrong.probe;
    let expected = verdict(*allowed);
    let _ = writeln!(
        text,
        "\n  {}\n    oracle: {expected} (egress {:?}, ingress {:?})\n    seen:   {}",
        wrong.probe, answer.egress, answer.ingress, wrong.seen
    );
    for backend in wrong.probe.backends.iter().flatten() {
        let (at, source) = (backend.at, backend.source);
        let word = verdict(backend.allowed);
        let _ = writeln!(
            text,
            "    backend {at}, asked from {source}: {word}, {:?}",
            backend.answer
        );
    }
    let _ = writeln!(
        text,
        "    trace:\n{}",
        indented(&trace(&wrong.probe, folder))
    );
    let named: BTreeSet<&String> = [&answer.egress, &answer.ingress]
        .into_iter()
        .flat_map(|part| match part {
            Part::Allowed { by: names } | Part::Denied { isolating: names } => names.as_slice(),
            _ => &[],
        })
        .collect();
    for policy in &objects.policies {
        if named.contains(&key_of(policy)) {
            let yaml = serde_json::to_string_pretty(policy).unwrap();
            let _ = writeln!(text, "    ---\n{}", indented(&yaml));
        }
    }
}

fn verdict(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}

/// What `enforcer trace` says about the question.
fn trace(probe: &Probe, folder: &Path) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["trace", "--manifests"]).arg(folder);
    command.args(["--from", &probe.source.to_string()]);
    command.args(["--to", &probe.to.to_string()]);
    let protocol = match probe.kind {
        Kind::Gre => "47",
        kind => kind.name(),
    };
    command.args(["--protocol", protocol]);
    if let Kind::Tcp(port) | Kind::Udp(port) | Kind::Sctp(port) = probe.kind {
        command.args(["--port", &port.to_string()]);
    }
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    out + &err
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("      {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
