//! For CI: XML as `JUnit` writes it, one test suite for each case.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{BrokenConnection, CaseReport, ExpectationReport, Report, Verdict};

/// Writes all cases as test suites.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_junit(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="enforcer connectivity test">"#)?;
    for case in &report.cases {
        write_case(case, out)?;
    }
    writeln!(out, "</testsuites>")
}

fn write_case(case: &CaseReport, out: &mut dyn Write) -> io::Result<()> {
    let all = case.expectations.iter();
    let failures = all.filter(|one| one.verdict == Verdict::Broken).count();
    let skipped = usize::from(case.reason.is_some());
    let tests = case.expectations.len() + skipped;
    let (name, seconds) = (case.name, case.seconds);
    writeln!(
        out,
        r#"  <testsuite name="{name}" tests="{tests}" failures="{failures}" skipped="{skipped}" time="{seconds:.3}">"#
    )?;
    if let Some(reason) = &case.reason {
        let (about, reason) = (escape(case.about), escape(reason));
        writeln!(
            out,
            r#"    <testcase classname="{name}" name="{about}"><skipped message="{reason}"/></testcase>"#
        )?;
    }
    for one in &case.expectations {
        write_expectation(name, one, out)?;
    }
    writeln!(out, "  </testsuite>")
}

fn write_expectation(case: &str, one: &ExpectationReport, out: &mut dyn Write) -> io::Result<()> {
    let words = escape(&one.words);
    write!(out, r#"    <testcase classname="{case}" name="{words}""#)?;
    if one.broken.is_empty() {
        return writeln!(out, "/>");
    }
    let (broken, all) = (one.broken.len(), one.connections);
    let lines: Vec<String> = one.broken.iter().map(line).collect();
    let text = escape(&lines.join("\n"));
    writeln!(
        out,
        r#"><failure message="{broken} of {all} connections">{text}</failure></testcase>"#
    )
}

fn line(one: &BrokenConnection) -> String {
    let mut line = format!(
        "{} -> {}: expected {}, was",
        one.from, one.target, one.expected
    );
    for (outcome, times) in &one.seen {
        // Writing to a string cannot fail.
        let _ = write!(line, " {outcome} ({times})");
    }
    line
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
