//! The benchmark's own BPF programs.

use anyhow::{Context, Result, bail};
use aya::maps::{Array, MapData, ProgramArray};
use aya::programs::{ProgramFd, SchedClassifier};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};

#[path = "../../ebpf/src/plan.rs"]
mod plan;

pub(super) use plan::Plan;

/// The object; empty when this was built without one.
pub(super) static OBJECT: &[u8] =
    include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-bench.bpf.o"));

const SIZE: usize = size_of::<Plan>();

/// The loaded programs.
pub(super) struct Driver {
    ebpf: Ebpf,
    plan: Array<MapData, [u8; SIZE]>,
    next: ProgramArray<MapData>,
    /// The program that does nothing.
    empty: ProgramFd,
}

impl Driver {
    /// Loads them.
    pub(super) fn load() -> Result<Self> {
        if OBJECT.is_empty() {
            bail!("this binary was built without its BPF object; run `cargo xtask bench packets`");
        }
        let mut loader = EbpfLoader::new();
        // The tables are for others.
        for name in ["PORTS", "FLOWS_V4", "FLOWS_V6", "ENDPOINTS", "SENDERS"] {
            loader.map_max_entries(name, 1);
        }
        let mut ebpf = loader
            .load(OBJECT)
            .context("loading the benchmark's BPF object: this needs root")?;
        let mut fd = |name: &str| -> Result<ProgramFd> {
            let program = program(&mut ebpf, name)?;
            program
                .load()
                .with_context(|| format!("the kernel refuses the benchmark's program {name:?}"))?;
            Ok(program.fd()?.try_clone()?)
        };
        fd("driver")?;
        let empty = fd("empty")?;
        let plan = ebpf.take_map("PLAN").context("no map PLAN")?.try_into()?;
        let next = ebpf.take_map("NEXT").context("no map NEXT")?.try_into()?;
        Ok(Self {
            ebpf,
            plan,
            next,
            empty,
        })
    }

    /// The program that does nothing.
    pub(super) fn empty(&mut self) -> Result<&mut SchedClassifier> {
        program(&mut self.ebpf, "empty")
    }

    /// The driver, going on with this program, or with the empty one.
    pub(super) fn before(&mut self, next: Option<&ProgramFd>) -> Result<&mut SchedClassifier> {
        self.next
            .set(0, next.unwrap_or(&self.empty), 0)
            .context("entering what the driver goes on with")?;
        program(&mut self.ebpf, "driver")
    }

    /// What the packets are like from now on.
    pub(super) fn follow(&mut self, plan: &Plan) -> Result<()> {
        let bytes: [u8; SIZE] = bytemuck::must_cast(*plan);
        self.plan.set(0, bytes, 0).context("writing the plan")
    }

    /// The plan with the state in which the last run left it.
    pub(super) fn plan(&self) -> Result<Plan> {
        let bytes = self.plan.get(&0, 0).context("reading the plan")?;
        Ok(bytemuck::must_cast(bytes))
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let program = ebpf
        .program_mut(name)
        .with_context(|| format!("the benchmark's BPF object has no program {name:?}"))?;
    Ok(program.try_into()?)
}
