//! Everything a developer or CI runs: `cargo xtask <verb>`, one file per verb.

mod bench;
mod build;
mod build_ebpf;
mod ci;
mod demo;
mod deploy;
mod envtest;
mod image;
mod machine;
mod remap;
mod setup;
mod shell;
mod test;
mod ui;
mod vm_test;
mod wire;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, shows and tests enforcer.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Plain lines, no colours, no moving progress (the default when the output is no terminal).
    #[arg(long, global = true)]
    plain: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building the BPF programs needs; does nothing when all is there.
    Setup,
    /// Build the BPF programs into target/enforcer.bpf.o and print their sizes.
    BuildEbpf(build_ebpf::Arguments),
    /// Build everything: target/release/enforcer with the BPF programs inside.
    Build,
    /// Show a policy at work between three network namespaces (root or sudo).
    Demo(demo::Arguments),
    /// Run every test: unit, property, kernel and wire (root or sudo).
    Test(test::Arguments),
    /// Run tests on other kernels in virtual machines.
    VmTest(vm_test::Arguments),
    /// Try random clusters on real sockets against the oracle, as long as you like (root or sudo).
    Wire(wire::Arguments),
    /// Build a container image of nothing but static programs, the same bytes each time.
    Image(image::Arguments),
    /// Make deploy/manifests from the Helm chart, or check both.
    Deploy(deploy::Arguments),
    /// Build a Kubernetes control plane and run the cluster tests on it (root or sudo).
    Envtest(envtest::Arguments),
    /// Measure what enforcer needs and what it costs; without a name: packets, path, updates, scale.
    Bench(bench::Arguments),
    /// Everything that must pass: format, lints, docs, licences, then every test (root or sudo).
    Ci,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ui::init(arguments.plain);
    match run(&arguments.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Setup => setup::run().map(|_| ()),
        Verb::BuildEbpf(arguments) => build_ebpf::run(arguments),
        Verb::Build => build::run(),
        Verb::Demo(arguments) => demo::run(arguments),
        Verb::Test(arguments) => test::run(arguments),
        Verb::VmTest(arguments) => vm_test::run(arguments),
        Verb::Wire(arguments) => wire::run(arguments),
        Verb::Image(arguments) => image::run(arguments),
        Verb::Deploy(arguments) => deploy::run(arguments),
        Verb::Envtest(arguments) => envtest::run(arguments),
        Verb::Bench(arguments) => bench::run(arguments),
        Verb::Ci => ci::run(),
    }
}
