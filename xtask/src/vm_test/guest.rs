//! What a machine finds in its file system.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use enforcer_vm::{Index, PLAN, Plan};

use super::arch::Arch;
use super::cpio::Tree;
use super::kernel::Kernel;
use super::modules;
use crate::{machine, shell, workspace};

/// Programs of this machine that tests and labs start.
const PROGRAMS: [&str; 17] = [
    "bash",
    "cat",
    "ip",
    "iptables-nft",
    "iptables-nft-restore",
    "ip6tables-nft-restore",
    "mount",
    "nft",
    "ping",
    "setpriv",
    "sh",
    "sleep",
    "tc",
    "timeout",
    "tracepath",
    "traceroute",
    "unshare",
];

/// Files that some of them read where they are there.
const CONFIGURATION: [&str; 4] = [
    "/etc/iproute2",
    "/etc/protocols",
    "/etc/services",
    "/usr/share/iproute2",
];

/// Folders of the workspace that tests read.
const READ_BY_TESTS: [&str; 2] = ["scenarios", "enforcer/tests/fixtures"];

/// Where a machine keeps programs of this project that no test knows by path.
const BIN: &str = "/usr/bin";

/// Where a machine has the programs for test runs on kernels that cannot be told by which link a
/// packet came.
pub(super) const TOLD_OBJECT: &str = "/enforcer-told.bpf.o";

/// The file system of all machines, but for what differs between kernels.
pub(super) struct Guest {
    arch: Arch,
    /// Programs and their libraries, without symbols.
    scratch: PathBuf,
    tree: Tree,
    libraries: BTreeSet<PathBuf>,
}

impl Guest {
    /// With the first process.
    pub(super) fn new(scratch: PathBuf, arch: Arch, init: &Path) -> Result<Self> {
        if scratch.exists() {
            fs::remove_dir_all(&scratch)
                .with_context(|| format!("removing {}", scratch.display()))?;
        }
        fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
        let mut guest = Self {
            arch,
            scratch,
            tree: Tree::new(),
            libraries: BTreeSet::new(),
        };
        guest.program("/init", init)?;
        guest.tree.link("/sbin/modprobe", "/init");
        guest
            .tree
            .bytes("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        guest.tree.bytes("/etc/group", "root:x:0:\n");
        Ok(guest)
    }

    /// With what tests need besides themselves.
    pub(super) fn add_tools(&mut self) -> Result<()> {
        self.tree.directory(&workspace::root().join("enforcer"));
        if !self.arch.is_this_machines() {
            // There are none here that would run there.
            return Ok(());
        }
        for name in PROGRAMS {
            let Some(program) = machine::find(name) else {
                bail!(
                    "`{name}` is missing here, which tests in machines need: `cargo xtask setup`"
                );
            };
            self.program(&format!("{BIN}/{name}"), &program)?;
        }
        // Loaded by iptables as the rules ask for them.
        let extensions = self
            .libraries
            .iter()
            .find(|path| path.to_string_lossy().contains("libxtables"))
            .and_then(|library| Some(library.parent()?.join("xtables")))
            .context("iptables is linked without libxtables")?;
        for file in modules::files(&extensions)? {
            self.tree.file(&file.to_string_lossy(), &file);
        }
        for path in CONFIGURATION.map(Path::new) {
            let files = if path.is_dir() {
                modules::files(path)?
            } else {
                path.exists().then(|| path.to_owned()).into_iter().collect()
            };
            for file in files {
                self.tree.file(&file.to_string_lossy(), &file);
            }
        }
        for folder in READ_BY_TESTS {
            for file in modules::files(&workspace::root().join(folder))? {
                self.tree.file(&file.to_string_lossy(), &file);
            }
        }
        Ok(())
    }

    /// The programs for test runs, by what they find in their environment.
    pub(super) fn told_object(&mut self) {
        self.tree.file(TOLD_OBJECT, &workspace::told_object());
    }

    /// A program under its own path, by which tests know it.
    pub(super) fn built(&mut self, program: &Path) -> Result<()> {
        self.program(&program.to_string_lossy(), program)
    }

    /// A program with the libraries that it needs.
    fn program(&mut self, path: &str, program: &Path) -> Result<()> {
        let stripped = self.scratch.join(path.replace('/', "_"));
        let mut strip = Command::new(self.arch.strip());
        strip.arg("-o").arg(&stripped).arg(program);
        shell::quiet(strip)?;
        self.tree.file(path, &stripped);
        if !self.arch.is_this_machines() {
            // Linked with everything.
            return Ok(());
        }
        for library in libraries(program)? {
            if self.libraries.insert(library.clone()) {
                self.tree.file(&library.to_string_lossy(), &library);
            }
        }
        Ok(())
    }

    /// Writes the initial file system of a machine.
    pub(super) fn write(&mut self, kernel: &Kernel, plan: &Plan, to: &Path) -> Result<()> {
        let plan = serde_json::to_vec(plan).context("writing the plan")?;
        self.tree.bytes(PLAN, plan);
        let index = serde_json::to_vec(&kernel.index).context("writing the index of modules")?;
        self.tree.bytes(Index::PATH, index);
        for module in kernel.index.modules.values() {
            let name = Path::new(&module.path).file_name().unwrap_or_default();
            self.tree.file(&module.path, &kernel.modules.join(name));
        }
        self.tree.write(to)?;
        Ok(())
    }
}

/// The libraries of a program of this machine, its loader included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("starting ldd")?;
    // It fails for static programs, which need none.
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(ldd: &str) -> Vec<PathBuf> {
    ldd.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                   \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            parse(ldd),
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(parse("\tstatically linked\n"), [] as [PathBuf; 0]);
    }
}
