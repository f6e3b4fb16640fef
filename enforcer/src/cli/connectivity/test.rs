//! `enforcer connectivity test`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::pods::told_to_end;
use super::show::{self, Form, Teller};
use crate::cli::access::AccessArgs;
use crate::cli::colour::ColourArgs;
use crate::connectivity::cases::{CASES, Case};
use crate::connectivity::report::Colour;
use crate::connectivity::{Options, Pace, Progress as _, daemons_image, run as play};
use crate::kubernetes::client::connect;

/// The image where no daemon of the cluster says another.
const IMAGE: &str = concat!("enforcer:", env!("CARGO_PKG_VERSION"));

const EXAMPLES: &str = "Examples:
  enforcer connectivity test
  enforcer connectivity test --context staging --case pod-selector --case established
  enforcer connectivity test --case service --keep
  enforcer connectivity test --output junit > connectivity.xml

Makes two namespaces with servers and clients, applies one policy after the other, and looks at real connections:
what a policy allows must pass, what it denies must stay without an answer, and when the policy is gone everything
must pass again. Removes everything at the end, also after Ctrl-C. docs/connectivity.md describes each case and the
rights that the test needs.

Exit codes: 0 everything is as expected (what the cluster has not got is skipped, and named); 1 something is broken;
2 the test could not be played.
Environment: NO_COLOR switches colour off where --color does not say always.";

/// Test by real connections whether policies hold in a cluster.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    #[command(flatten)]
    access: AccessArgs,
    /// The test's namespace; another is called so with -other at its end. Neither may exist, unless an earlier test
    /// left it behind.
    #[arg(long, value_name = "NAME", default_value = "enforcer-connectivity-test", value_parser = NonEmptyStringValueParser::new())]
    namespace: String,
    /// The image of the test's pods. Without it, that of the cluster's daemons.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// A node for the test's pods; twice for two. Without it, the first two by name that take pods.
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,
    /// Play only this case; may be repeated. An unknown name lists all.
    #[arg(long = "case", value_name = "NAME", value_parser = case)]
    cases: Vec<&'static Case>,
    /// Leave namespaces, pods and the last case's policies behind.
    #[arg(long)]
    keep: bool,
    /// Seconds that a case may take to become as expected, and connections to pass again after it.
    #[arg(long, value_name = "S", default_value_t = Pace::default().timeout.as_secs_f64(), value_parser = seconds)]
    timeout: f64,
    /// Seconds between two attempts at one connection.
    #[arg(long, value_name = "S", default_value_t = Pace::default().interval.as_secs_f64(), value_parser = seconds)]
    interval: f64,
    /// Seconds after which a connection without an answer counts as denied.
    #[arg(long, value_name = "S", default_value_t = Pace::default().patience.as_secs_f64(), value_parser = seconds)]
    patience: f64,
    /// How to print.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: Form,
    #[command(flatten)]
    colour: ColourArgs,
}

fn case(text: &str) -> Result<&'static Case, String> {
    let found = CASES.iter().find(|case| case.name == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        format!("no such case; the cases are {}", names.join(", "))
    })
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write seconds, from 0.01 to 3600".to_owned()),
    }
}

pub(super) async fn run(args: TestArgs) -> anyhow::Result<ExitCode> {
    let colour = if args.colour.is_wanted() {
        Colour::On
    } else {
        Colour::Off
    };
    let pace = Pace {
        timeout: Duration::from_secs_f64(args.timeout),
        interval: Duration::from_secs_f64(args.interval),
        patience: Duration::from_secs_f64(args.patience),
    };
    if args.nodes.len() > 2 {
        bail!("at most two nodes: give --node twice at most");
    }
    let mut teller = Teller::new(colour);
    let api = connect(&args.access.access(), "connectivity").await?;
    teller.says("looking for the daemons' image");
    let image = match args.image {
        Some(image) => image,
        None => daemons_image(&api)
            .await
            .unwrap_or_else(|| IMAGE.to_owned()),
    };
    let options = Options {
        namespace: args.namespace,
        image,
        nodes: args.nodes,
        cases: in_order(&args.cases),
        keep: args.keep,
        pace,
    };
    let interrupted = async {
        // Without a handler Ctrl-C ends everything, as it does anyhow.
        let _ = told_to_end().await;
    };
    let played = tokio::select! {
        played = play(&api, &options, &mut teller, interrupted) => played,
        () = twice() => {
            teller.clear();
            bail!(
                "interrupted twice: kubectl delete namespace {0} {0}-other removes what is left",
                options.namespace
            );
        }
    };
    teller.clear();
    let report = played?;
    show::write(&report, args.output, colour)?;
    Ok(ExitCode::from(u8::from(!report.holds)))
}

/// All cases, or those that were named, in the order in which they are written down, each once.
fn in_order(named: &[&'static Case]) -> Vec<&'static Case> {
    let wanted = |case: &&Case| named.is_empty() || named.iter().any(|one| one.name == case.name);
    CASES.iter().filter(wanted).collect()
}

/// The second time that somebody presses Ctrl-C.
async fn twice() {
    for _ in 0..2 {
        if told_to_end().await.is_err() {
            std::future::pending::<()>().await;
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
        test: TestArgs,
    }

    #[test]
    fn an_unknown_case_lists_those_that_there_are() {
        let error = Line::try_parse_from(["test", "--case", "nothing"]).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        for case in CASES {
            assert!(error.contains(case.name), "{error}");
        }
    }

    #[test]
    fn cases_are_played_in_their_own_order_and_once() {
        let line = [
            "test",
            "--case",
            "udp",
            "--case",
            "deny-egress",
            "--case",
            "udp",
        ];
        let cases = in_order(&Line::parse_from(line).test.cases);
        let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names, ["deny-egress", "udp"]);
        assert_eq!(in_order(&[]).len(), CASES.len());
    }
}
