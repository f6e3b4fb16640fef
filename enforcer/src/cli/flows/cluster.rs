//! `enforcer flows --cluster`.

use std::process::ExitCode;

use enforcer_flows::Query;

use super::output::Printer;
use super::{missed_words, tell};
use crate::cli::cluster::{ClusterArgs, SOME};
use crate::fleet::flows::Told;

/// Prints the records of all nodes.
pub(super) fn run(
    args: &ClusterArgs,
    query: Query,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let filter = query.filter.clone();
    let mut silent = false;
    ClusterArgs::block_on(async {
        let fleet = args.fleet().await?;
        let nodes = |node: &str| filter.asks_node(node);
        let reading = fleet.flows(query, nodes, |told| match told {
            Told::Record(record) => printer.print(&record),
            Told::Missed { node, missed } => {
                tell(format_args!("{node}: {}", missed_words(missed))).map(|()| true)
            }
            Told::Silent { node, why } => {
                silent = true;
                tell(format_args!("{node}: {why}")).map(|()| true)
            }
            Told::Note(note) => tell(note).map(|()| true),
        });
        reading.await
    })?;
    Ok(if silent {
        ExitCode::from(SOME)
    } else {
        ExitCode::SUCCESS
    })
}
