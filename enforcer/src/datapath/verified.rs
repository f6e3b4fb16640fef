//! How large the programs are for the kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use aya::programs::ProgramError;
use aya::{Ebpf, VerifierLogLevel};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::attach::Program;
use super::load::{self, LoadError, LoadOptions};

/// A program as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Which.
    pub program: Program,
    /// Instructions after the verifier's rewriting.
    pub instructions: Option<u32>,
    /// Instructions that the verifier looked at, over all paths.
    pub verified: Option<u32>,
}

/// Loads the programs without attaching them, and asks the kernel. On old kernels, no other thread
/// should open files meanwhile.
pub fn sizes() -> Result<Vec<Size>, LoadError> {
    let mut ebpf = load::load(&LoadOptions::default())?;
    let mut sizes = Vec::new();
    for which in Program::ALL {
        let failed = |source| LoadError::Program {
            name: which.name(),
            source,
        };
        let info = load::program(&mut ebpf, which)?.info().map_err(failed)?;
        sizes.push(Size {
            program: which,
            instructions: info.size_translated().map(|bytes| bytes / 8),
            verified: info.verified_instruction_count(),
        });
    }
    if sizes.iter().any(|size| size.verified.is_none()) {
        let mut logging = load::open(&LoadOptions::default(), VerifierLogLevel::STATS)?;
        for size in &mut sizes {
            size.verified = from_log(&mut logging, size.program)?;
        }
    }
    Ok(sizes)
}

/// Linux before 5.16 tells the count in the verifier's log only, and aya has that log only for
/// programs that were refused. So loading is made to fail at the very last thing that it needs, which
/// comes after the verifier: a file descriptor.
fn from_log(ebpf: &mut Ebpf, which: Program) -> Result<Option<u32>, LoadError> {
    let program = load::program(ebpf, which)?;
    let refused = without_descriptors(|| program.load()).map_err(|source| LoadError::Program {
        name: which.name(),
        source: ProgramError::IOError(source),
    })?;
    Ok(match refused {
        Err(ProgramError::LoadError { verifier_log, .. }) => processed(&verifier_log.to_string()),
        _ => None,
    })
}

/// Does something while no descriptor can be opened.
fn without_descriptors<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let next = File::open("/dev/null")?.as_raw_fd();
    let next = u64::try_from(next).map_err(io::Error::other)?;
    setrlimit(Resource::RLIMIT_NOFILE, next, hard)?;
    let done = work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    Ok(done)
}

/// `3306` of `processed 3306 insns (limit 1000000) …`.
fn processed(log: &str) -> Option<u32> {
    let (_, rest) = log.rsplit_once("processed ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::processed;

    #[test]
    fn the_verifier_tells_what_it_processed_in_the_end() {
        let log = "verification time 12 usec\nstack depth 64+8\n\
                   processed 3306 insns (limit 1000000) max_states_per_insn 4 total_states 50\n";
        assert_eq!(processed(log), Some(3306));
        assert_eq!(processed("permission denied"), None);
    }
}
