//! `cargo xtask ci`: everything that must pass before a change goes in.

mod dependencies;
mod licence;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::setup::apt;
use crate::{machine, setup, shell, test, ui};

/// Needed here only: building works without it.
const CLIPPY: apt::Package = apt::Package {
    name: "rust-web-clippy",
    why: "lints for the BPF programs",
    at_least: Some((1, 90)),
};

type Check = fn() -> Result<()>;

/// The checks in order, quick ones first, and how long each took.
pub(crate) fn run() -> Result<()> {
    let checks: [(&str, Check); 6] = [
        ("format", format),
        ("licences and dependencies", dependencies::check),
        ("lints", lints),
        ("lints of the BPF programs", bpf_lints),
        ("docs", docs),
        ("tests", || test::run(&test::Arguments::default())),
    ];
    let start = Instant::now();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (name, check) in checks {
        ui::heading(name);
        let begin = Instant::now();
        check()?;
        times.push((name, begin.elapsed()));
    }
    ui::heading("all checks passed");
    times.push(("together", start.elapsed()));
    for (name, time) in times {
        ui::line(format_args!("  {name:<28} {:>12}", ui::seconds(time)));
    }
    Ok(())
}

fn cargo(words: &[&str]) -> Command {
    let mut cargo = machine::cargo();
    cargo.args(words);
    cargo
}

fn format() -> Result<()> {
    shell::step("cargo fmt --check", cargo(&["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    let words = [
        "clippy",
        "--locked",
        "--workspace",
        "--exclude",
        "enforcer-ebpf",
        "--all-targets",
    ];
    let mut clippy = cargo(&words);
    clippy.args(["--", "--deny", "warnings"]);
    shell::step("cargo clippy", clippy)
}

/// Debian's clippy knows the BPF target; on other machines nightly's does.
fn bpf_lints() -> Result<()> {
    if apt::is_here() {
        apt::ensure(&[CLIPPY])?;
    }
    let toolchain = setup::run()?;
    let mut clippy = toolchain.cargo("clippy");
    clippy
        .args(["--profile", "bpf", "--target-dir"])
        .arg(crate::workspace::target().join("ebpf"))
        .args(["--", "--deny", "warnings"]);
    shell::step("cargo clippy for the BPF target", clippy)
}

fn docs() -> Result<()> {
    let words = [
        "doc",
        "--locked",
        "--workspace",
        "--exclude",
        "enforcer-ebpf",
        "--no-deps",
    ];
    let mut doc = cargo(&words);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    shell::step("cargo doc", doc)
}
