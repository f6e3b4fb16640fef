//! `cargo xtask vm-test`: the programs and the daemon on other kernels than this machine's.

mod arch;
mod archive;
mod bench;
mod counts;
mod cpio;
mod document;
mod guest;
mod kernel;
mod modules;
mod programs;
mod qemu;
mod results;
mod suites;
mod verified;
mod version;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use enforcer_vm::{Job, Message, Plan};

use crate::bench::figures;
use crate::setup::apt;
use crate::ui::{self, Colour, paint};
use crate::{build_ebpf, machine, setup, shell, workspace};
use arch::Arch;
use archive::Archive;
use guest::Guest;
use kernel::{Kernel, NEWEST, SERIES};
use qemu::{Accelerator, Machine};
use results::Results;

/// How long a machine may say nothing besides what its jobs may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which kernels, and what is done on them.
#[derive(clap::Args, Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches are what a command line has"
)]
pub(crate) struct Arguments {
    /// A series of Debian's kernels, such as 6.1, or `newest`; may be repeated. Without it the oldest
    /// and the newest.
    #[arg(long, value_name = "SERIES", conflicts_with = "all")]
    kernel: Vec<String>,
    /// All series, and all tests that make sense in a machine: hours without KVM.
    #[arg(long)]
    all: bool,
    /// Only whether the kernel takes the programs, and how many instructions its verifier looks at.
    #[arg(long)]
    programs: bool,
    /// Besides that, only these tests, as `SUITE` or `SUITE:NAME`; may be repeated.
    #[arg(long, value_name = "TEST")]
    test: Vec<String>,
    /// Count the instructions that packets execute in the machines instead of testing, also as ratios
    /// to the empty program.
    #[arg(long)]
    bench: bool,
    /// Record the verified instructions in `enforcer-ebpf/verified.json`, or with --bench the executed
    /// ones in `enforcer-ebpf/executed.json`.
    #[arg(long)]
    write: bool,
    /// The processor of the machines.
    #[arg(long, value_enum, default_value_t)]
    arch: Arch,
}

const PACKAGES: [apt::Package; 3] = [
    apt::Package {
        name: "qemu-system-x86",
        why: "virtual machines for other kernels",
        at_least: None,
    },
    apt::Package {
        name: "xz-utils",
        why: "unpacks the modules of newer kernels",
        at_least: None,
    },
    apt::Package {
        name: "binutils",
        why: "`strip`: programs for machines go without symbols",
        at_least: None,
    },
];

/// Boots one kernel after the other.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !apt::is_here() {
        bail!("the kernels are Debian's, and this machine has no apt to get them with");
    }
    let toolchain = setup::run()?;
    apt::ensure(&PACKAGES)?;
    build_ebpf::object(&toolchain)?;
    build_ebpf::told_object(&toolchain)?;
    let session = Session::new(arguments)?;
    let mut all = Vec::new();
    let mut counts = BTreeMap::new();
    let mut executed = bench::Kernels::new();
    let mut problems = Vec::new();
    for series in session.series() {
        ui::heading(&format!("Linux {series}"));
        match session.test(&series) {
            Ok((kernel, messages)) => {
                match verified::of_machine(&messages) {
                    Some(count) => drop(counts.insert(kernel.clone(), count)),
                    None if arguments.bench => {}
                    None => problems.push(format!("no verified instructions from Linux {kernel}")),
                }
                match bench::of_machine(&messages) {
                    Some(found) => drop(executed.insert(kernel.clone(), found)),
                    None if arguments.bench => {
                        problems.push(format!("no figures from Linux {kernel}"));
                    }
                    None => {}
                }
                all.push((kernel, results::of_machine(&messages)));
            }
            Err(error) => {
                ui::error(&error);
                problems.push(format!("{series}: {error:#}"));
            }
        }
    }
    if !executed.is_empty() {
        ui::heading("packets");
        bench::show(&executed);
        if arguments.write {
            bench::write(executed)?;
        } else {
            problems.extend(bench::compare(&executed)?);
        }
    }
    report(arguments, &all, counts, problems)
}

/// Shows what came out.
fn report(
    arguments: &Arguments,
    all: &[(String, Results)],
    counts: verified::Kernels,
    mut problems: Vec<String>,
) -> Result<()> {
    ui::heading("tests on kernels");
    results::show(all);
    let json = serde_json::to_string_pretty(&results::json(all)).context("writing results")?;
    fs::write(directory().join("results.json"), json).context("writing results")?;
    for (kernel, results) in all {
        let (failed, passed, skipped) = results::count(results);
        ui::line(format_args!(
            "  Linux {kernel}: {passed} passed, {failed} failed, {skipped} skipped"
        ));
        if failed > 0 {
            problems.push(format!("{failed} failed on Linux {kernel}"));
        }
    }
    verified::show(&counts)?;
    if arguments.write && arguments.arch.is_this_machines() {
        verified::write(counts)?;
    } else if arguments.arch.is_this_machines() {
        let grown = verified::compare(&counts)?;
        if !grown.is_empty() {
            problems.push(format!(
                "{}; if that is meant, `cargo xtask vm-test --all --programs --write` records it",
                grown.join(", ")
            ));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{}", problems.join("; "))
}

/// Where everything is put that is not kept for other checkouts.
fn directory() -> PathBuf {
    workspace::target().join("vm")
}

/// What all machines of a run have in common.
struct Session<'a> {
    arguments: &'a Arguments,
    cache: PathBuf,
    archive: Archive,
    init: PathBuf,
    enforcer: PathBuf,
    suites: Vec<(Job, PathBuf)>,
    accelerator: std::cell::OnceCell<Accelerator>,
}

impl<'a> Session<'a> {
    /// Builds what will be needed.
    fn new(arguments: &'a Arguments) -> Result<Self> {
        let debian = arguments.arch.debian();
        let cache = machine::cache().join("vm").join(debian);
        for folder in [&cache, &directory()] {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let arch = arguments.arch;
        if arguments.bench && !arch.is_this_machines() {
            bail!(
                "the bench is built for this machine's processor only: leave --arch or --bench out"
            );
        }
        let suites = if arguments.bench {
            // What is counted is the kernel's work; how the bench itself was built makes no difference.
            figures::build(figures::Profile::Dev)?;
            let job = bench::job();
            let program = job.program.clone();
            vec![(job, program)]
        } else if arguments.programs {
            Vec::new()
        } else {
            suites::jobs(&arguments.test, arguments.all, arch)?
        };
        Ok(Self {
            arguments,
            archive: Archive::open(&cache, debian)?,
            cache,
            init: programs::build("enforcer-vm", arch)?,
            enforcer: programs::build("enforcer", arch)?,
            suites,
            accelerator: std::cell::OnceCell::new(),
        })
    }

    fn series(&self) -> Vec<String> {
        if !self.arguments.kernel.is_empty() {
            self.arguments.kernel.clone()
        } else if self.arguments.all {
            SERIES.map(str::to_owned).to_vec()
        } else {
            [SERIES[0], NEWEST].map(str::to_owned).to_vec()
        }
    }

    /// Gets a kernel, boots it and lets it do everything.
    fn test(&self, series: &str) -> Result<(String, Vec<Message>)> {
        let arch = self.arguments.arch;
        let kernel = kernel::get(&self.archive, &self.cache, arch.debian(), series)?;
        let initramfs = directory().join("initramfs");
        let accelerator = self.accelerator(&kernel, &initramfs)?;
        let plan = self.plan();
        let mut guest = Guest::new(
            directory().join("programs"),
            self.arguments.arch,
            &self.init,
        )?;
        guest.built(&self.enforcer)?;
        if !self.suites.is_empty() {
            guest.add_tools()?;
            for (_, program) in &self.suites {
                guest.built(program)?;
            }
            guest.told_object();
        }
        guest.write(&kernel, &plan, &initramfs)?;
        let log = directory().join(format!("console-{}.log", kernel.series));
        let machine = Machine {
            arch,
            accelerator,
            image: &kernel.image,
            initramfs: &initramfs,
            log: &log,
        };
        let longest = plan.jobs.iter().map(|job| job.seconds).max().unwrap_or(0);
        let begin = Instant::now();
        let messages = machine.run(PATIENCE + Duration::from_secs(longest), tell)?;
        shell::done(&format!("Linux {}", kernel.series), begin.elapsed());
        Ok((kernel.series, messages))
    }

    /// What every machine does.
    fn plan(&self) -> Plan {
        let programs = Job {
            name: verified::JOB.to_owned(),
            program: self.enforcer.clone(),
            arguments: ["debug", "programs", "--output", "json"]
                .map(str::to_owned)
                .to_vec(),
            directory: "/".into(),
            seconds: 900,
            modules: true,
            ..Job::default()
        };
        let kernel = |name: &str, modules| Job {
            name: name.to_owned(),
            arguments: ["debug", "kernel"].map(str::to_owned).to_vec(),
            modules,
            ..programs.clone()
        };
        let mut jobs = Vec::new();
        if !self.arguments.bench {
            jobs.extend([
                // Before anything else has loaded them.
                kernel(results::WITHOUT_MODULES, false),
                kernel("hook", true),
                programs.clone(),
            ]);
        }
        jobs.extend(self.suites.iter().map(|(job, _)| job.clone()));
        Plan { jobs }
    }

    /// Asked once in a run, with the first kernel and a machine that does nothing.
    fn accelerator(&self, kernel: &Kernel, initramfs: &Path) -> Result<Accelerator> {
        if let Some(known) = self.accelerator.get() {
            return Ok(*known);
        }
        if self.arguments.bench {
            return Ok(Accelerator::Counting);
        }
        let mut guest = Guest::new(
            directory().join("programs"),
            self.arguments.arch,
            &self.init,
        )?;
        guest.write(kernel, &Plan::default(), initramfs)?;
        let log = directory().join("console-kvm.log");
        let (found, why) = qemu::accelerator(self.arguments.arch, &kernel.image, initramfs, &log);
        ui::line(format_args!("  machines run by {found:?}: {why}"));
        Ok(*self.accelerator.get_or_init(|| found))
    }
}

/// Shows how far a machine is.
fn tell(message: &Message) {
    match message {
        Message::Booted { release } => ui::line(format_args!("  booted {release}")),
        Message::Ended {
            job,
            outcome,
            milliseconds,
            ..
        } => ui::line(format_args!(
            "  {job}: {outcome:?} after {}",
            ui::seconds(Duration::from_millis(*milliseconds))
        )),
        Message::Failed { error } => {
            ui::line(format_args!("{} {error}", paint(Colour::Red, "FAILED")));
        }
        Message::Started { .. } | Message::Complaints { .. } | Message::Done => {}
    }
}
