//! `cargo xtask ci`: everything that must pass before a change goes in.

mod dependencies;
mod licence;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::setup::apt;
use crate::ui::{self, Colour, paint};
use crate::{bench, build_ebpf, deploy, image, machine, setup, shell, test, vm_test, workspace};

/// Needed here only: building works without it.
const CLIPPY: apt::Package = apt::Package {
    name: "rust-web-clippy",
    why: "lints for the BPF programs",
    at_least: Some((1, 90)),
};

type Check = fn() -> Result<()>;

/// Runs every check, quick ones first, also after one failed; then says how each went.
pub(crate) fn run() -> Result<()> {
    let checks: [(&str, Check); 11] = [
        ("format", format),
        ("licences and dependencies", dependencies::check),
        ("chart and manifests", || {
            deploy::run(&deploy::Arguments::CHECK)
        }),
        ("lints", lints),
        ("lints of the BPF programs", bpf_lints),
        ("lengths of the BPF programs", lengths),
        ("docs", docs),
        ("image", image::checked),
        ("tests", || test::run(&test::Arguments::default())),
        ("benches, only that they run", || {
            bench::run(&bench::Arguments::QUICK)
        }),
        ("other kernels", || {
            vm_test::run(&vm_test::Arguments::default())
        }),
    ];
    let start = Instant::now();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for (name, check) in checks {
        ui::heading(name);
        let begin = Instant::now();
        let result = check();
        summary.push(row(name, result.is_ok(), begin.elapsed()));
        if let Err(error) = result {
            ui::error(&error);
            failed.push(name);
        }
    }
    summary.push(row("together", failed.is_empty(), start.elapsed()));
    ui::heading("summary");
    ui::line(summary.join("\n"));
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn row(name: &str, good: bool, time: Duration) -> String {
    let (colour, word) = if good {
        (Colour::Green, "ok")
    } else {
        (Colour::Red, "FAILED")
    };
    format!(
        "  {name:<28} {} {:>12}",
        paint(colour, format_args!("{word:<6}")),
        ui::seconds(time)
    )
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
        "--exclude",
        "enforcer-bench-ebpf",
        "--all-targets",
    ];
    let mut clippy = cargo(&words);
    clippy.args(["--", "--deny", "warnings"]);
    shell::step("cargo clippy", clippy)
}

/// Debian's clippy knows the BPF target; on other machines nightly's does.
fn bpf_lints() -> Result<()> {
    let toolchain = setup::run()?;
    if apt::is_here() {
        apt::ensure(&[CLIPPY])?;
    }
    for package in [build_ebpf::PACKAGE, build_ebpf::BENCH_PACKAGE] {
        let mut clippy = toolchain.cargo("clippy", package)?;
        clippy
            .args(["--profile", "bpf", "--target-dir"])
            .arg(workspace::target().join("ebpf"))
            .args(["--", "--deny", "warnings"]);
        shell::step(
            &format!("cargo clippy for the BPF target: {package}"),
            clippy,
        )?;
    }
    Ok(())
}

fn lengths() -> Result<()> {
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    build_ebpf::tracked::check(&toolchain)
}

fn docs() -> Result<()> {
    let words = [
        "doc",
        "--locked",
        "--workspace",
        "--exclude",
        "enforcer-ebpf",
        "--exclude",
        "enforcer-bench-ebpf",
        "--no-deps",
    ];
    let mut doc = cargo(&words);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    shell::step("cargo doc", doc)
}
