//! How much `enforcer run` keeps for `enforcer flows`.

use clap::Args;
use enforcer_flows::Limits;

/// How much is kept.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeptArgs {
    /// How many flow records are kept for `enforcer flows`.
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    flow_records: u32,
    /// How much memory they take at most, in MiB, by estimate.
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    flow_memory: u32,
}

impl KeptArgs {
    pub(in crate::cli) fn limits(&self) -> Limits {
        let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        Limits {
            records: number(self.flow_records),
            bytes: number(self.flow_memory).saturating_mul(1 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        kept: KeptArgs,
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let line = Line::parse_from(["run"]);
        assert_eq!(line.kept.limits(), Limits::default());
    }

    #[test]
    fn something_is_always_kept() {
        assert!(Line::try_parse_from(["run", "--flow-records", "0"]).is_err());
        let line = Line::parse_from(["run", "--flow-records", "7", "--flow-memory", "1"]);
        let (records, bytes) = (7, 1 << 20);
        assert_eq!(line.kept.limits(), Limits { records, bytes });
    }
}
