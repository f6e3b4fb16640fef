//! How long the programs are, as this kernel sees them.

use anyhow::{Context, Result};
use enforcer::datapath::attach::Program;
use enforcer::datapath::load::{self, LoadOptions};

use crate::report::{Cell, Table};

/// A row for each program. What the kernel does not tell is left empty: verified instructions are told
/// since Linux 5.16.
pub(super) fn table() -> Result<Table> {
    let mut ebpf = load::load(&LoadOptions::default())?;
    let mut table = Table::new(
        "Programs in this kernel",
        &[
            "program",
            "instructions",
            "bytes of machine code",
            "verified instructions",
        ],
    );
    for which in Program::ALL {
        let info = load::program(&mut ebpf, which)?
            .info()
            .with_context(|| format!("asking about the program {}", which.name()))?;
        let number = |number: Option<u32>| {
            let known = number.filter(|number| *number != 0);
            known.map_or(Cell::Nothing, |number| Cell::of(number.to_string()))
        };
        table.row([
            Cell::of(which.name()),
            number(info.size_translated().map(|bytes| bytes / 8)),
            number(Some(info.size_jitted())),
            number(info.verified_instruction_count()),
        ]);
    }
    Ok(table)
}
