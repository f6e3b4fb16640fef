//! `cargo xtask build`: the release binary with the BPF programs inside.

use anyhow::Result;

use crate::{build_ebpf, machine, setup, shell, ui, workspace};

/// Sets up and builds everything.
pub(crate) fn run() -> Result<()> {
    release()?;
    build_ebpf::report()?;
    ui::line(format_args!(
        "  {}",
        workspace::enforcer("release").display()
    ));
    Ok(())
}

/// The same without the report.
pub(crate) fn release() -> Result<()> {
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    let mut cargo = machine::cargo();
    cargo.args(["build", "--locked", "--release", "--package", "enforcer"]);
    shell::step("enforcer (release)", cargo)
}
