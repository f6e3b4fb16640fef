//! What `enforcer run` has for collectors of logs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use enforcer_flows::Term;

use crate::export::{self, Format, Options, Target};

/// Records for collectors of logs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Export of denials")]
#[expect(
    clippy::struct_field_names,
    reason = "options of one verb have one space of names"
)]
pub(super) struct ExportArgs {
    /// Write a line for each denial, also for those that audit mode lets pass: to stdout, or to this file.
    #[arg(long, value_name = "stdout|FILE", value_parser = target)]
    export_denials: Option<Target>,
    /// What a line is.
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value_t = Form::Json,
        requires = "export_denials"
    )]
    export_format: Form,
    /// Only these, by options of `enforcer flows` such as namespace=prod or port=not:53; may be repeated. With verdict=…
    /// or kind=… other records than denials.
    #[arg(long, value_name = "OPTION=VALUE", requires = "export_denials")]
    export_filter: Vec<Term>,
    /// MiB that a file may have; then it is renamed to FILE.1, and another one is begun.
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..),
        requires = "export_denials"
    )]
    export_max_size: u32,
    /// How many such earlier files are kept.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(..=1000),
        requires = "export_denials"
    )]
    export_max_files: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A record as `enforcer flows --output json` prints it.
    Json,
    /// A log record of `OpenTelemetry`, in OTLP's JSON form.
    OtlpJson,
}

impl ExportArgs {
    pub(super) fn options(self) -> Option<Options> {
        Some(Options {
            target: self.export_denials?,
            format: match self.export_format {
                Form::Json => Format::Json,
                Form::OtlpJson => Format::Otlp,
            },
            filter: export::filter(self.export_filter),
            max_size: u64::from(self.export_max_size) << 20,
            max_files: self.export_max_files,
        })
    }
}

fn target(text: &str) -> Result<Target, &'static str> {
    match text {
        "" => Err("write stdout, or the path of a file"),
        "stdout" => Ok(Target::Stdout),
        path => Ok(Target::File(PathBuf::from(path))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        export: ExportArgs,
    }

    fn read(line: &str) -> Result<Option<Options>, clap::Error> {
        let words = std::iter::once("run").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.export.options())
    }

    #[test]
    fn nothing_is_exported_unless_somebody_says_where_to() {
        assert!(read("").unwrap().is_none());
        for wrong in [
            "--export-format json",
            "--export-filter port=80",
            "--export-max-size 1",
            "--export-max-files 1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn where_to_is_standard_output_or_a_file() {
        let options = read("--export-denials stdout").unwrap().unwrap();
        assert_eq!(options.target, Target::Stdout);
        assert_eq!(options.format, Format::Json);
        let line = "--export-denials /d/f --export-format otlp-json --export-max-size 2 \
            --export-max-files 0 --export-filter namespace=prod --export-filter port=not:53";
        let options = read(line).unwrap().unwrap();
        assert_eq!(options.target, Target::File("/d/f".into()));
        assert_eq!((options.max_size, options.max_files), (2 << 20, 0));
        assert_eq!(options.format, Format::Otlp);
        assert_eq!(options.filter.terms().len(), 4);
    }

    #[test]
    fn a_filter_that_is_none_and_a_size_of_nothing_are_errors() {
        for wrong in [
            "--export-filter x",
            "--export-max-size 0",
            "--export-filter port=x",
        ] {
            assert!(
                read(&format!("--export-denials stdout {wrong}")).is_err(),
                "{wrong}"
            );
        }
    }
}
