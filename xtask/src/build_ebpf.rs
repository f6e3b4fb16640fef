//! `cargo xtask build-ebpf`: the BPF programs into `target/enforcer.bpf.o`.

mod sizes;
mod slim;
mod stack;
pub(crate) mod tracked;
mod verified;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::Toolchain;
use crate::{setup, shell, ui, workspace};

/// What the programs are compiled for.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// What else to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write the lengths of the programs into enforcer-ebpf/instructions.json.
    #[arg(long)]
    record: bool,
}

/// Sets up, builds and reports the size of every program.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let toolchain = setup::run()?;
    object(&toolchain)?;
    bench_object(&toolchain)?;
    report()?;
    if arguments.record {
        tracked::record(&toolchain)
    } else {
        Ok(())
    }
}

/// The crate of the programs.
pub(crate) const PACKAGE: &str = "enforcer-ebpf";

/// The crate of the programs that only the benches use.
pub(crate) const BENCH_PACKAGE: &str = "enforcer-bench-ebpf";

/// Builds the object.
pub(crate) fn object(toolchain: &Toolchain) -> Result<()> {
    shell::step("BPF programs", cargo(toolchain, PACKAGE)?)?;
    let object = workspace::bpf_object();
    take(&target(), "enforcer-bpf", &object)?;
    stack::deepest(&read(&object)?)?.check()
}

/// Builds the object for test runs that are told in `cb[0]` by which link a packet came.
pub(crate) fn told_object(toolchain: &Toolchain) -> Result<()> {
    let target = workspace::target().join("ebpf-told");
    let mut cargo = cargo_in(toolchain, PACKAGE, &target)?;
    cargo.args(["--features", "link-in-cb"]);
    shell::step("BPF programs for test runs on Linux before 5.16", cargo)?;
    take(&target, "enforcer-bpf", &workspace::told_object())
}

/// Builds the object of the benches.
pub(crate) fn bench_object(toolchain: &Toolchain) -> Result<()> {
    shell::step(
        "BPF programs of the benches",
        cargo(toolchain, BENCH_PACKAGE)?,
    )?;
    take(&target(), "enforcer-bench-bpf", &workspace::bench_object())
}

/// Copies what was built. A copy that did not change keeps its time, and so nothing is built anew.
fn take(target: &Path, built: &str, object: &Path) -> Result<()> {
    let built = target.join(TARGET).join("bpf").join(built);
    let slim = slim::slim(&read(&built)?)?;
    if slim != fs::read(object).unwrap_or_default() {
        fs::write(object, slim).with_context(|| format!("writing {}", object.display()))?;
    }
    Ok(())
}

/// What cargo says about everything that is in the object, which is built already.
pub(crate) fn messages(toolchain: &Toolchain) -> Result<String> {
    let mut cargo = cargo(toolchain, PACKAGE)?;
    cargo.args(["--message-format", "json"]);
    shell::quiet(cargo)
}

fn cargo(toolchain: &Toolchain, package: &str) -> Result<Command> {
    cargo_in(toolchain, package, &target())
}

fn cargo_in(toolchain: &Toolchain, package: &str, target: &Path) -> Result<Command> {
    let mut cargo = toolchain.cargo("build", package)?;
    cargo.args(["--profile", "bpf", "--target-dir"]).arg(target);
    Ok(cargo)
}

/// Where the BPF programs are built.
fn target() -> PathBuf {
    workspace::target().join("ebpf")
}

/// Prints the size of every program, and what the verifier made of it where that can be known.
pub(crate) fn report() -> Result<()> {
    let object = workspace::bpf_object();
    let elf = read(&object)?;
    let reading = || format!("reading {}", object.display());
    let mut programs = sizes::programs(&elf).with_context(reading)?;
    let unknown = verified::add(&mut programs, &object);
    ui::line(sizes::table(&programs));
    let deepest = stack::deepest(&elf).with_context(reading)?;
    ui::line(format_args!("  {deepest}"));
    if let Err(why) = unknown {
        ui::line(format_args!(
            "  verified instruction counts are not shown: {why:#}"
        ));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}
