//! How records are printed, as it is chosen.

use clap::ValueEnum;

/// The value of `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// One line: when, what, who, why.
    #[default]
    #[value(alias = "text")]
    Compact,
    /// With addresses, workloads, labels and identities, on several lines.
    Wide,
    /// One JSON object on a line.
    Json,
    /// One line as tcpdump prints packets.
    #[value(alias = "pcap")]
    Tcpdump,
}
