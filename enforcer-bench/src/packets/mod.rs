//! What a packet costs in the programs: `BPF_PROG_TEST_RUN` on the object that the daemon carries.

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
    bail!("the bench `packets` is not built yet")
}
