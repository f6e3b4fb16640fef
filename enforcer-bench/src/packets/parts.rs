//! What the cases are made of, measured in the same rounds: steps, single accesses, and what random
//! connections add.

use anyhow::{Context, Result};

use super::Worlds;
use super::case::Amounts;
use super::driver::Driver;
use super::floor::Floor;
use super::ladder::{self, Ladder};
use super::steps::Steps;
use super::world::Kind;
use crate::report::Report;

/// All of it.
pub(super) struct Parts {
    steps: Steps,
    floor: Floor,
    ladder: Ladder,
}

impl Parts {
    /// Kinds of programs and maps that are needed.
    pub(super) const KINDS: [Kind; 4] = ladder::KINDS;

    /// Loads what is needed.
    pub(super) fn new(amounts: Amounts) -> Result<Self> {
        Ok(Self {
            steps: Steps::new(amounts).context("for the steps of the short way")?,
            floor: Floor::new(amounts).context("for single accesses")?,
            ladder: Ladder::new(amounts)?,
        })
    }

    /// Measures everything once, with the programs of so many policies.
    pub(super) fn round(
        &mut self,
        worlds: &mut Worlds,
        policies: usize,
        driver: &mut Driver,
        repeat: u32,
        round: usize,
    ) -> Result<()> {
        for kind in Self::KINDS {
            let world = worlds
                .get_mut(&(kind, policies))
                .context("a world of every kind")?;
            if kind == Kind::Usual {
                self.steps.round(world, driver, repeat, round)?;
            }
            self.ladder.round(kind, world, driver, repeat, round)?;
        }
        self.floor.round(repeat, round)
    }

    /// Tables, plots and figures.
    pub(super) fn write(&self, report: &mut Report) {
        self.steps.write(report);
        self.floor.write(report);
        self.ladder.write(report, &self.floor);
    }
}
