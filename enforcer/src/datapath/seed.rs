//! Writes the flows of connections that are taken over.
//!
//! The programs' own code does it, by a program that nobody attaches: what they write at the same time
//! is not lost by it.

use aya::Ebpf;
use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions};
use enforcer_common::abi::{self, Flow};
use enforcer_common::flow_table::{BUCKET_V4, BUCKET_V6};
use enforcer_common::parse::NETWORK;

use super::adopt::{Key, Seed};
use super::flow_maps::{self, Flows, Table};
use super::maps::MapsError;

/// Its name in the object.
const PROGRAM: &str = "seed";

/// Why a flow could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The object lacks the program.
    #[error("the BPF object has no tc program {PROGRAM:?}; run `cargo xtask build-ebpf`")]
    NoProgram,
    /// The kernel refused it.
    #[error("the kernel refused the program {PROGRAM:?}: {0}")]
    Program(#[from] ProgramError),
    /// The program refused what it was given.
    #[error("the program {PROGRAM:?} did not understand a flow; the object is of another version")]
    Refused,
    /// The table could not be opened.
    #[error(transparent)]
    Maps(#[from] MapsError),
}

/// The tables of flows, as the daemon reads and writes them.
pub struct Seeds {
    v4: Flows<BUCKET_V4>,
    v6: Flows<BUCKET_V6>,
}

impl Seeds {
    /// Of a loaded object, whose program is loaded too.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, SeedError> {
        program(ebpf)?.load()?;
        Ok(Self {
            v4: take(ebpf, flow_maps::V4)?,
            v6: take(ebpf, flow_maps::V6)?,
        })
    }

    /// What the programs know of an endpoint's flow.
    pub fn get(&self, key: &Key, endpoint: u32) -> Option<Flow> {
        let held = match key {
            Key::V4(key) => self.v4.get(key, endpoint),
            Key::V6(key) => self.v6.get(key, endpoint),
        };
        held.ok().flatten()
    }
}

/// Writes a flow, unless the programs track it for the same endpoint.
pub fn put(ebpf: &mut Ebpf, seed: &Seed) -> Result<(), SeedError> {
    let Seed { key, flow, tracked } = seed;
    let seed = match key {
        Key::V4(key) => abi::Seed::of(key, flow, *tracked),
        Key::V6(key) => abi::Seed::of(key, flow, *tracked),
    };
    let mut packet = [0; NETWORK + size_of::<abi::Seed>()];
    packet[NETWORK..].copy_from_slice(bytemuck::bytes_of(&seed));
    let options = TestRunOptions {
        data_in: Some(&packet),
        ..TestRunOptions::new()
    };
    match program(ebpf)?.test_run(options)?.return_value {
        0 => Ok(()),
        _ => Err(SeedError::Refused),
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, SeedError> {
    ebpf.program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or(SeedError::NoProgram)
}

fn take<const N: usize>(ebpf: &mut Ebpf, table: Table) -> Result<Flows<N>, MapsError> {
    match ebpf.take_map(table.map) {
        Some(aya::maps::Map::Array(data)) => Flows::of(table, data),
        _ => Err(MapsError::NoMap(table.map)),
    }
}
