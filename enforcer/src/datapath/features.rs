//! What the kernel must have. Asked of the kernel by trying, never derived from its version: there
//! are old kernels with new features, and new ones that were built without.

use std::fmt;
use std::fs;

use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType, SchedClassifier};
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported};
use aya::util::KernelVersion;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::attach::{self, AttachError, Hook, Place};

/// The oldest Linux that has all of it, and on which everything is tested.
pub const MINIMUM: &str = "5.10";

/// Something that not every kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Programs at tc.
    Programs,
    /// Prefixes of addresses.
    Tries,
    /// Tables that forget what was not used for longest.
    Forgetting,
    /// A table for each CPU.
    PerCpu,
    /// Programs that end with another one.
    Continuing,
    /// Events in order, of all CPUs.
    RingBuffers,
    /// A clock that costs nothing.
    Jiffies,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Programs,
        Self::Tries,
        Self::Forgetting,
        Self::PerCpu,
        Self::Continuing,
        Self::RingBuffers,
        Self::Jiffies,
    ];

    /// What it is called, and since when Linux has it.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Programs => ("BPF programs at tc", "4.1, CONFIG_BPF_SYSCALL"),
            Self::Tries => ("longest-prefix-match maps", "4.11"),
            Self::Forgetting => ("LRU hash maps", "4.10"),
            Self::PerCpu => ("per-CPU array maps", "4.6"),
            Self::Continuing => ("tail calls", "4.2"),
            Self::RingBuffers => ("BPF ring buffers", "5.8"),
            Self::Jiffies => ("the helper bpf_jiffies64", "5.5"),
        }
    }

    /// Asks the kernel.
    fn is_here(self) -> Result<bool, FeatureError> {
        let unknown = |source| FeatureError::Unknown {
            feature: self,
            source,
        };
        let map = |kind| is_map_supported(kind).map_err(|source| unknown(source.into()));
        match self {
            Self::Programs => is_program_supported(ProgramType::SchedClassifier).map_err(unknown),
            Self::Tries => map(MapType::LpmTrie),
            Self::Forgetting => map(MapType::LruHash),
            Self::PerCpu => map(MapType::PerCpuArray),
            Self::Continuing => map(MapType::ProgramArray),
            Self::RingBuffers => map(MapType::RingBuf),
            Self::Jiffies => {
                is_helper_supported(ProgramType::SchedClassifier, BpfHelper::BPF_FUNC_jiffies64)
                    .map_err(unknown)
            }
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, since) = self.words();
        write!(f, "{name} (Linux {since})")
    }
}

/// Why this kernel will not do.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// It lacks something.
    #[error(
        "this kernel (Linux {release}) lacks {}; enforcer needs Linux {MINIMUM} or newer",
        list(missing)
    )]
    Missing {
        /// What the kernel calls itself.
        release: String,
        /// What is not there.
        missing: Vec<Feature>,
    },
    /// It does not say.
    #[error("cannot find out whether this kernel has {feature}: {source}")]
    Unknown {
        /// What was asked for.
        feature: Feature,
        /// What it says instead.
        source: ProgramError,
    },
    /// Programs can be loaded and not attached.
    #[error(
        "this kernel (Linux {release}) lacks a hook for programs on links: TCX (Linux 6.6), or a clsact \
         qdisc with BPF filters (CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF, modules sch_ingress and \
         cls_bpf; can they be loaded?): {source}"
    )]
    NoHook {
        /// What the kernel calls itself.
        release: String,
        /// What became of the last attempt.
        source: AttachError,
    },
}

fn list(missing: &[Feature]) -> String {
    let names: Vec<_> = missing.iter().map(Feature::to_string).collect();
    names.join(", ")
}

/// Fails unless the kernel has everything that loading needs.
pub fn require() -> Result<(), FeatureError> {
    judge(&release(), Feature::is_here)
}

fn judge(
    release: &str,
    mut is_here: impl FnMut(Feature) -> Result<bool, FeatureError>,
) -> Result<(), FeatureError> {
    let mut missing = Vec::new();
    for feature in Feature::ALL {
        if !is_here(feature)? {
            missing.push(feature);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(FeatureError::Missing {
        release: release.to_owned(),
        missing,
    })
}

/// Fails unless a loaded program can be attached; gives the hook that will be used. Tried in a network
/// namespace that is made for it and goes with it.
pub fn require_hook(hook: Hook, program: &mut SchedClassifier) -> Result<Place, FeatureError> {
    attach::try_out(hook, program).map_err(|source| FeatureError::NoHook {
        release: release(),
        source,
    })
}

/// How many bytes this process may lock, where the kernel counts programs and maps among them. `None`
/// where it does not, as since Linux 5.11, or where it may lock as many as it likes.
pub fn locked_memory() -> Option<u64> {
    // Nothing depends on this but words about an error, and the loader goes by the version too.
    if KernelVersion::current().ok()? >= KernelVersion::new(5, 11, 0) {
        return None;
    }
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).ok()?;
    (limit != RLIM_INFINITY).then_some(limit)
}

/// What the kernel calls itself.
pub fn release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    match release.trim() {
        "" => "of unknown version".to_owned(),
        release => release.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel_without(lacks: &[Feature]) -> Result<(), FeatureError> {
        judge("5.4.0-1-amd64", |feature| Ok(!lacks.contains(&feature)))
    }

    #[test]
    fn a_kernel_with_everything_will_do_whatever_it_calls_itself() {
        assert!(kernel_without(&[]).is_ok());
    }

    #[test]
    fn what_is_missing_is_named_with_the_kernel_that_has_it() {
        let error = kernel_without(&[Feature::Jiffies, Feature::RingBuffers]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this kernel (Linux 5.4.0-1-amd64) lacks BPF ring buffers (Linux 5.8), the helper \
             bpf_jiffies64 (Linux 5.5); enforcer needs Linux 5.10 or newer"
        );
    }

    #[test]
    fn a_kernel_that_does_not_say_is_not_taken_for_one_that_has_it() {
        let error = judge("6.1", |feature| {
            Err(FeatureError::Unknown {
                feature,
                source: ProgramError::NotLoaded,
            })
        });
        assert!(matches!(error, Err(FeatureError::Unknown { .. })));
    }
}
