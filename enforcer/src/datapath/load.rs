//! Loading the BPF object.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aya::maps::{MapError, ProgramArray};
use aya::programs::{ProgramError, SchedClassifier};
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel, include_bytes_aligned};
use enforcer_common::abi::Continuation;
use enforcer_common::flow_table::{BUCKET_V4, BUCKET_V6};
use nix::time::{ClockId, clock_getres};

use super::attach::Program;
use super::denials;
use super::features::{FeatureError, MINIMUM};
use super::flow_maps::{self, Shape};
use super::maps::{CONTINUATIONS, LASTING, MapsError};

/// The BPF object that this binary carries; empty when it was built without one.
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer.bpf.o"));

/// Why the programs could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The binary carries the stub.
    #[error(
        "this binary was built without the BPF object; run `cargo xtask build` and use target/release/enforcer"
    )]
    Stub,
    /// The kernel is too old, or was built without what is needed.
    #[error(transparent)]
    Kernel(#[from] FeatureError),
    /// The kernel or the object is not as expected.
    #[error(
        "cannot load the BPF object: {0}; loading needs root (CAP_BPF, CAP_NET_ADMIN) and Linux {MINIMUM} or newer"
    )]
    Object(#[from] EbpfError),
    /// The object lacks a program.
    #[error("the BPF object has no tc program {0:?}; run `cargo xtask build-ebpf`")]
    NoProgram(&'static str),
    /// The verifier refused a program.
    #[error("the kernel refused the program {name:?}: {source}")]
    Program {
        /// Its name.
        name: &'static str,
        /// What the kernel said, the verifier's log included.
        source: ProgramError,
    },
    /// The object lacks a map.
    #[error("the BPF object has no map {0}; run `cargo xtask build-ebpf`")]
    NoMap(&'static str),
    /// The tables of flows and denials cannot be written.
    #[error(transparent)]
    Flows(#[from] MapsError),
    /// Programs cannot be made to end with one another.
    #[error("cannot enter the continuation {slot:?}: {source}")]
    Continuation {
        /// Which.
        slot: Continuation,
        /// What the kernel says.
        source: MapError,
    },
    /// The length of a jiffy could not be found out.
    #[error("cannot read the resolution of the kernel's clock tick: {0}")]
    Clock(#[from] nix::Error),
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Sizes of maps that differ from the defaults in `enforcer_common::abi::limits`.
    pub map_entries: BTreeMap<String, u32>,
    /// Where the maps that hold connections are pinned: taken from there when an earlier daemon
    /// left them. `None` for maps of one's own that end with the process.
    pub lasting: Option<PathBuf>,
    /// Events of each kind that each CPU may send in a second; `None` for the default.
    pub events_per_second: Option<u32>,
    /// Every denial is to be an event, also one that is like others of the last second.
    pub each_denial: bool,
    /// The bit of `skb->mark` for deferred packets; `None` for the default.
    pub mark: Option<u32>,
    /// Every packet leaves a line in the log.
    pub trace: bool,
    /// For benchmarks alone: no flow is remembered, so that each packet is decided anew.
    pub untracked: bool,
    /// For tests and benchmarks alone: the programs of this object instead of [`OBJECT`]'s. It was
    /// built for test runs that are told in `cb[0]` by which link a packet came: see
    /// [`super::told`].
    pub told: Option<Arc<[u8]>>,
}

/// Loads maps and programs; nothing is attached yet.
pub fn load(options: &LoadOptions) -> Result<Ebpf, LoadError> {
    let mut ebpf = open(options, VerifierLogLevel::default())?;
    for which in Program::ALL {
        let name = which.name();
        program(&mut ebpf, which)?
            .load()
            .map_err(|source| LoadError::Program { name, source })?;
    }
    continue_with(&mut ebpf, Continuation::Leaving, Program::Leaving)?;
    continue_with(&mut ebpf, Continuation::ToPod, Program::ToPod)?;
    Ok(ebpf)
}

/// Loads the maps only, of few entries: for trying out what the kernel can do.
pub fn maps_only() -> Result<Ebpf, LoadError> {
    let small =
        ["PORTS", "FLOWS_V4", "FLOWS_V6", "FRAGMENTS", "DENIALS"].map(|name| (name.to_owned(), 64));
    let options = LoadOptions {
        map_entries: small.into(),
        ..LoadOptions::default()
    };
    open(&options, VerifierLogLevel::default())
}

/// Loads the maps; what is said of programs that are refused is as detailed as `log`.
pub(super) fn open(options: &LoadOptions, log: VerifierLogLevel) -> Result<Ebpf, LoadError> {
    if OBJECT.is_empty() {
        return Err(LoadError::Stub);
    }
    super::features::require()?;
    let mut loader = EbpfLoader::new();
    loader.verifier_log_level(log);
    let ticks = ticks_per_second()?;
    let level = if options.trace {
        aya_log::Level::Debug as u8
    } else {
        0
    };
    loader.override_global("TICKS_PER_SECOND", &ticks, true);
    loader.override_global("AYA_LOG_LEVEL", &level, true);
    let trace = u8::from(options.trace);
    loader.override_global("TRACE", &trace, true);
    let track = u8::from(!options.untracked);
    loader.override_global("TRACK", &track, true);
    if let Some(rate) = &options.events_per_second {
        loader.override_global("EVENTS_PER_SECOND", rate, true);
    }
    if let Some(mark) = &options.mark {
        loader.override_global("MARK", mark, true);
    }
    for (name, entries) in &options.map_entries {
        loader.map_max_entries(name, *entries);
    }
    let v4 = Shape::choose::<BUCKET_V4>(flow_maps::V4, options);
    let v6 = Shape::choose::<BUCKET_V6>(flow_maps::V6, options);
    v4.ask(flow_maps::V4, &mut loader);
    v6.ask(flow_maps::V6, &mut loader);
    let denials = denials::Shape::choose(options);
    denials.ask(&mut loader);
    if let Some(directory) = &options.lasting {
        for name in LASTING {
            loader.map_pin_path(name, directory.join(name));
        }
    }
    let mut ebpf = loader.load(options.told.as_deref().unwrap_or(OBJECT))?;
    v4.keep::<BUCKET_V4>(flow_maps::V4, &mut ebpf)?;
    v6.keep::<BUCKET_V6>(flow_maps::V6, &mut ebpf)?;
    denials.keep(&mut ebpf)?;
    Ok(ebpf)
}

/// Lets programs end with another one.
fn continue_with(ebpf: &mut Ebpf, slot: Continuation, which: Program) -> Result<(), LoadError> {
    let failed = |source| LoadError::Program {
        name: which.name(),
        source,
    };
    let descriptor = program(ebpf, which)?
        .fd()
        .and_then(|descriptor| Ok(descriptor.try_clone()?))
        .map_err(failed)?;
    let map = ebpf
        .map_mut(CONTINUATIONS)
        .ok_or(LoadError::NoMap(CONTINUATIONS))?;
    ProgramArray::try_from(map)
        .and_then(|mut array| array.set(slot as u32, &descriptor, 0))
        .map_err(|source| LoadError::Continuation { slot, source })
}

/// One of the programs.
pub fn program(ebpf: &mut Ebpf, which: Program) -> Result<&mut SchedClassifier, LoadError> {
    let name = which.name();
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(LoadError::NoProgram(name))
}

/// `CONFIG_HZ`: the coarse clocks advance once a tick, and their resolution says so
/// (`clock_getres(2)`).
pub fn ticks_per_second() -> Result<u32, nix::Error> {
    let tick = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?;
    let nanoseconds = u32::try_from(tick.tv_nsec()).unwrap_or(0).max(1);
    Ok((1_000_000_000 + nanoseconds / 2) / nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::LoadError;

    #[test]
    fn a_binary_without_programs_says_how_to_get_one_with_them() {
        let said = LoadError::Stub.to_string();
        assert!(said.contains("without the BPF object") && said.contains("cargo xtask build"));
    }
}
