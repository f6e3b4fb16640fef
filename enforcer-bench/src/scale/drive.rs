//! A compiler and where its writes go.

use std::time::{Duration, Instant};

use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::Change;
use serde::{Deserialize, Serialize};

use super::churn::{Random, round};
use super::clock::{Stopwatch, Took};
use super::kernel::{MapsSide, NodeSide, Side};
use super::samples::{Sample, Samples};
use super::world::{HERE, Shape, Size};

/// Whose pods are endpoints, and where writes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    /// One node: the daemon's writer, with a link and programs for each pod.
    Node,
    /// One node: maps, but no links.
    Maps,
    /// All nodes at once, which no node has: maps, but no links.
    All,
}

impl Place {
    /// The same for the compiler.
    pub(super) fn scope(self) -> Scope {
        match self {
            Self::Node | Self::Maps => Scope::Node(HERE.to_owned()),
            Self::All => Scope::All,
        }
    }

    /// The map of verdicts is not made for all pods of a cluster on one node.
    pub(super) fn capacity(self) -> Capacity {
        let usual = Capacity::default();
        match self {
            Self::Node | Self::Maps => usual,
            Self::All => Capacity {
                verdicts: ALL_VERDICTS as usize,
                ..usual
            },
        }
    }
}

/// Entries of the map of verdicts where all pods of a cluster are on one node.
const ALL_VERDICTS: u32 = 1 << 23;

/// A compiler that is fed.
pub(super) struct Driver {
    pub(super) compiler: Compiler,
    side: Box<dyn Side>,
}

/// What a cold start cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cold {
    /// The compiler.
    pub(super) compile: Took,
    /// To the last map write.
    pub(super) whole: Took,
    /// The writes.
    pub(super) writes: usize,
}

impl Driver {
    /// A compiler that knows nothing, and empty maps.
    pub(super) fn start(place: Place, size: &Size) -> anyhow::Result<Self> {
        let side: Box<dyn Side> = match place {
            Place::Node => Box::new(NodeSide::start(size.local)?),
            Place::Maps => Box::new(MapsSide::start(None)?),
            Place::All => Box::new(MapsSide::start(Some(ALL_VERDICTS))?),
        };
        Ok(Self {
            compiler: Compiler::new(place.scope(), place.capacity()),
            side,
        })
    }

    /// Brings changes into force.
    pub(super) fn apply(&mut self, changes: Vec<Change>) -> anyhow::Result<Sample> {
        self.side.before(&changes)?;
        let single = match changes.as_slice() {
            [change] => Some(change.clone()),
            _ => None,
        };
        let watch = Stopwatch::start();
        let ops = self.compiler.apply(changes);
        let compile = watch.took();
        self.side
            .write(&ops, self.compiler.tables(), self.compiler.cluster())?;
        let whole = watch.took();
        if let Some(change) = single {
            self.side.after(&change)?;
        }
        Ok(Sample {
            compile,
            whole,
            writes: ops.len(),
        })
    }

    /// Takes a whole cluster in.
    pub(super) fn cold_start(&mut self, shape: &Shape, size: &Size) -> anyhow::Result<Cold> {
        let Sample {
            compile,
            whole,
            writes,
        } = self.apply(shape.cluster(size)?)?;
        Ok(Cold {
            compile,
            whole,
            writes,
        })
    }

    /// Lets a cluster change, one change after the other, until there were so many rounds or the time
    /// is up.
    pub(super) fn churn(
        &mut self,
        shape: &Shape,
        size: &Size,
        rounds: usize,
        limit: Duration,
    ) -> anyhow::Result<Samples> {
        let mut random = Random::new(1);
        let mut samples = Samples::default();
        let begin = Instant::now();
        for number in 0..rounds {
            for (event, change) in round(shape, size, number, &mut random)? {
                let sample = self.apply(vec![change])?;
                samples.add(event, sample);
            }
            if begin.elapsed() > limit {
                break;
            }
        }
        Ok(samples)
    }

    /// Ends it and takes everything out of the kernel.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.side.finish()
    }
}
