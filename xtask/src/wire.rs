//! `cargo xtask wire`: random clusters on real sockets, for as many rounds as one likes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::ui::{self, Colour, paint};
use crate::{build_ebpf, machine, setup, shell, test};

/// What begins every line of the suite that is for the user.
const MARK: &str = "wire: ";

/// Which rounds to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The same seed gives the same rounds; a new one each time if not given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many rounds, counted from 0.
    #[arg(long, value_name = "K", default_value_t = 50)]
    rounds: u64,
    /// Only the round with this number, to see a failure again.
    #[arg(long, value_name = "R", conflicts_with = "rounds")]
    round: Option<u64>,
}

/// Builds everything as this user, then runs the rounds as root.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runner = machine::as_root("env", "load BPF programs and make network namespaces")?;
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    shell::step("the wire suite", suite(&["--no-run"]))?;
    let seed = arguments.seed.unwrap_or_else(new_seed);
    let mut command = suite(&["--", "--nocapture"]);
    command.env("ENFORCER_WIRE_SEED", seed.to_string());
    match arguments.round {
        Some(round) => command.env("ENFORCER_WIRE_ROUND", round.to_string()),
        None => command.env("ENFORCER_WIRE_ROUNDS", arguments.rounds.to_string()),
    };
    test::run_by(&runner, &mut command);
    watch(command, seed)
}

fn suite(arguments: &[&str]) -> Command {
    let mut cargo = machine::cargo();
    cargo.args(["test", "--quiet", "--package", "enforcer"]);
    cargo.args(["--test", "wire_random"]).args(arguments);
    cargo
}

fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// Shows the rounds as they end; everything else only when one fails.
fn watch(mut command: Command, seed: u64) -> Result<()> {
    let (reader, writer) = std::io::pipe().context("making a pipe")?;
    let errors = writer.try_clone().context("copying a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let mut child = command.spawn().context("starting the wire suite")?;
    // The command owns writing ends of the pipe, which must be gone for the reader to see the end.
    drop(command);
    let mut others = Vec::new();
    for line in BufReader::new(reader).lines() {
        let line = line.context("reading what the wire suite says")?;
        // The test framework leaves some of its own lines without an end.
        match line.split_once(MARK) {
            Some((_, text)) => show(text),
            None => others.push(line),
        }
    }
    let status = child.wait().context("waiting for the wire suite")?;
    if status.success() {
        return Ok(());
    }
    for line in others {
        ui::line(line);
    }
    bail!("the wire suite failed with seed {seed} ({status})")
}

fn show(text: &str) {
    if ui::fancy() && text.starts_with("round ") {
        return ui::redraw(&format!("  {text}"));
    }
    if ui::fancy() {
        ui::redraw("");
    }
    ui::line(format_args!("{} {text}", paint(Colour::Cyan, "wire:")));
}
