//! By which link a packet came, as test runs are told.
//!
//! It is a field of the context, which decides about every packet to a pod. Linux before 5.16 refuses
//! test runs that set it: there, tests and benchmarks use an object whose programs read the number in
//! `cb[0]`, a field that all kernels take, and that is the same otherwise.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use aya::programs::{ProgramError, TestRun as _, TestRunOptions};
use nix::errno::Errno;

use super::clock::{self, ClockError};
use super::load::{self, LoadError, LoadOptions};

/// Fields of the context that a test run may set, as 32-bit words of `struct __sk_buff`
/// (`linux/bpf.h`); the kernel insists that all others are 0.
pub mod field {
    use super::LoadOptions;

    /// `mark`.
    pub const MARK: usize = 2;
    /// `ingress_ifindex`.
    pub const INGRESS_IFINDEX: usize = 9;
    /// `ifindex`.
    pub const IFINDEX: usize = 10;
    /// `cb[0]`.
    pub const CB: usize = 12;
    /// `gso_size`.
    pub const GSO_SIZE: usize = 44;
    /// Words of the whole structure.
    pub const COUNT: usize = 48;

    /// Where programs that are loaded so find the link by which a packet came.
    pub fn came_by(options: &LoadOptions) -> usize {
        if options.told.is_some() {
            CB
        } else {
            INGRESS_IFINDEX
        }
    }
}

/// Names the file of the object for kernels that cannot be told.
pub const OBJECT: &str = "ENFORCER_TOLD_OBJECT";

/// Why tests cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ToldError {
    /// Nothing can be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The kernel does not answer.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// There is no object for such a kernel.
    #[error(
        "test runs of this kernel cannot be told by which link a packet came (Linux 5.16), and {OBJECT} \
         names no object for that: `cargo xtask vm-test` brings one"
    )]
    NoObject,
    /// The object cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What to load for test runs on this kernel, where nothing else is asked for.
pub fn options() -> Result<LoadOptions, ToldError> {
    static KNOWN: OnceLock<Option<Arc<[u8]>>> = OnceLock::new();
    if KNOWN.get().is_none() {
        let found = object()?;
        KNOWN.get_or_init(|| found);
    }
    Ok(LoadOptions {
        told: KNOWN.get().cloned().flatten(),
        ..LoadOptions::default()
    })
}

/// The object, where this kernel needs it.
fn object() -> Result<Option<Arc<[u8]>>, ToldError> {
    if is_possible()? {
        return Ok(None);
    }
    let path = PathBuf::from(env::var_os(OBJECT).ok_or(ToldError::NoObject)?);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(source) => Err(ToldError::Read { path, source }),
    }
}

/// Whether test runs take the field for it. The clock's program, which is asked, counts nothing.
pub(super) fn is_possible() -> Result<bool, ToldError> {
    let mut ebpf = load::maps_only()?;
    clock::load(&mut ebpf)?;
    let mut context = [0_u32; field::COUNT];
    context[field::INGRESS_IFINDEX] = 1;
    let result = clock::program(&mut ebpf)?.test_run(TestRunOptions {
        data_in: Some(&[0; 64]),
        ctx_in: Some(bytemuck::cast_slice(&context)),
        ..TestRunOptions::new()
    });
    match result {
        Ok(_) => Ok(true),
        Err(ProgramError::SyscallError(call))
            if call.io_error.raw_os_error() == Some(Errno::EINVAL as i32) =>
        {
            Ok(false)
        }
        Err(error) => Err(ClockError::from(error).into()),
    }
}
