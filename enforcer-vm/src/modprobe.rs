//! `modprobe -q -- NAME`, as the kernel calls it.

use std::ffi::CString;
use std::fs::{self, File};
use std::process::ExitCode;

use enforcer_vm::Index;
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

/// Loads what is asked for; the kernel looks at the exit code only.
pub(crate) fn run(words: impl Iterator<Item = String>) -> ExitCode {
    let Some(index) = fs::read(Index::PATH)
        .ok()
        .and_then(|text| serde_json::from_slice::<Index>(&text).ok())
    else {
        return ExitCode::FAILURE;
    };
    let mut good = true;
    for name in words.filter(|word| !word.starts_with('-')) {
        let modules = index.resolve(&name);
        good &= !modules.is_empty() && modules.iter().all(|module| load(&module.path));
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn load(path: &str) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let loaded = finit_module(&file, &CString::default(), ModuleInitFlags::empty());
    matches!(loaded, Ok(()) | Err(Errno::EEXIST))
}
