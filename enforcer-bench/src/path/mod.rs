//! What the programs cost on a real path between pods, against baselines.

use anyhow::bail;

use crate::options::Options;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What every bench takes.
    #[command(flatten)]
    pub options: Options,
}

/// Measures, and writes the report by [`Options::finish`].
pub fn run(_arguments: &Arguments) -> anyhow::Result<()> {
    bail!("the bench `path` is not built yet")
}
