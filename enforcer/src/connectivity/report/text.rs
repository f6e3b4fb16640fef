//! For people.

use std::fmt::{self, Display};
use std::io::{self, Write};

use super::{BrokenConnection, CaseReport, ExpectationReport, Report, Verdict};

/// Most pairs of pods that are listed for one expectation.
const MOST: usize = 8;
/// Where results begin.
const COLUMN: usize = 80;

/// Whether verdicts are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// A verdict in its colour.
struct Painted(Verdict, Colour);

impl Display for Painted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, word) = match self.0 {
            Verdict::Holds => (32, "holds"),
            Verdict::Broken => (31, "BROKEN"),
            Verdict::Skipped => (33, "skipped"),
        };
        match self.1 {
            Colour::On => write!(f, "\u{1b}[{code}m{word}\u{1b}[0m"),
            Colour::Off => f.write_str(word),
        }
    }
}

/// One line about a case that has just ended.
pub fn case_line(case: &CaseReport, colour: Colour) -> String {
    let (name, verdict) = (case.name, Painted(case.verdict, colour));
    match &case.reason {
        Some(reason) => format!("{name:<20} {verdict}: {reason}"),
        None => format!("{name:<20} {verdict} ({:.1} s)", case.seconds),
    }
}

/// Writes a table, and what to do about what is broken.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_text(report: &Report, colour: Colour, out: &mut dyn Write) -> io::Result<()> {
    let setting = &report.setting;
    let places = setting.nodes.iter().zip(["-a", "-b"]);
    let places: Vec<String> = places
        .map(|(node, place)| format!("{place} is {node}"))
        .collect();
    writeln!(
        out,
        "Namespaces {}; nodes: {}; {}; image {}",
        setting.namespaces.join(" and "),
        places.join(", "),
        setting.families.join(" and "),
        setting.image
    )?;
    for skipped in &report.skipped {
        writeln!(out, "Not tested: {skipped}")?;
    }
    for case in &report.cases {
        write_case(case, colour, out)?;
    }
    write_end(report, out)
}

fn write_case(case: &CaseReport, colour: Colour, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{}: {}", case.name, case.about)?;
    if let Some(reason) = &case.reason {
        writeln!(out, "  {}: {reason}", Painted(case.verdict, colour))?;
    }
    for expectation in &case.expectations {
        write_expectation(expectation, colour, out)?;
    }
    for told in &case.told {
        writeln!(out, "      {told}")?;
    }
    Ok(())
}

fn write_expectation(
    expectation: &ExpectationReport,
    colour: Colour,
    out: &mut dyn Write,
) -> io::Result<()> {
    let ExpectationReport {
        words,
        verdict,
        connections,
        broken,
    } = expectation;
    let count = if broken.is_empty() {
        connections.to_string()
    } else {
        format!("{} of {connections}", broken.len())
    };
    let verdict = Painted(*verdict, colour);
    writeln!(out, "  {words:<COLUMN$} {verdict} ({count} connections)")?;
    write_broken(broken, out)
}

/// A line for each pair of pods, and one command for all of them.
fn write_broken(broken: &[BrokenConnection], out: &mut dyn Write) -> io::Result<()> {
    let mut pairs: Vec<(String, Vec<&str>)> = Vec::new();
    for one in broken {
        let pair = format!(
            "{} on {} → {} on {}: {}",
            short(&one.from),
            one.from_node,
            short(&one.to),
            one.to_node,
            seen(one)
        );
        match pairs.iter_mut().find(|(known, _)| *known == pair) {
            Some((_, targets)) => targets.push(&one.target),
            None => pairs.push((pair, vec![&one.target])),
        }
    }
    for (pair, targets) in pairs.iter().take(MOST) {
        writeln!(out, "      {pair} at {}", targets.join(", "))?;
    }
    if pairs.len() > MOST {
        writeln!(out, "      … and {} more pairs of pods", pairs.len() - MOST)?;
    }
    match broken.first() {
        Some(first) => writeln!(
            out,
            "      expected: {}; ask {}",
            first.expected, first.trace
        ),
        None => Ok(()),
    }
}

/// A pod's name without its namespace: names are told apart without.
fn short(pod: &str) -> &str {
    pod.rsplit('/').next().unwrap_or(pod)
}

/// What was seen instead.
fn seen(one: &BrokenConnection) -> String {
    let outcomes: Vec<String> = one.seen.keys().map(ToString::to_string).collect();
    let seen = if outcomes.is_empty() {
        "nothing was tried".to_owned()
    } else {
        outcomes.join(" and ")
    };
    match &one.error {
        Some(error) => format!("{seen} ({error})"),
        None => seen,
    }
}

/// How to go on.
fn write_end(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let cases = report.cases.iter();
    let count = |verdict| cases.clone().filter(|case| case.verdict == verdict).count();
    writeln!(
        out,
        "\nCases: {} hold, {} broken, {} skipped.",
        count(Verdict::Holds),
        count(Verdict::Broken),
        count(Verdict::Skipped)
    )?;
    let mut broken = cases.filter(|case| case.verdict == Verdict::Broken);
    if let Some(case) = broken.next() {
        let [main, _] = &report.setting.namespaces;
        writeln!(
            out,
            "Next: play one case again and keep its policies and pods; then ask what policies mean, and daemons:\n  \
             enforcer connectivity test --namespace {main} --case {} --keep\n  \
             kubectl get policyenforcements -n {main}\n  \
             kubectl get nodes,namespaces,pods,networkpolicies,services,endpointslices -A -o yaml > cluster.yaml\n  \
             and then the commands above that begin with enforcer trace",
            case.name
        )?;
    }
    for note in &report.notes {
        writeln!(out, "{note}")?;
    }
    Ok(())
}
