//! What a user sees of a test.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;

use crate::connectivity::Progress;
use crate::connectivity::report::{CaseReport, Colour, Report, case_line, write_junit, write_text};

/// The value of `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// A table for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// XML as CI systems read it, one test for each expectation.
    Junit,
}

/// Says on stderr what goes on: of what goes on at this moment only on a terminal.
pub(super) struct Teller {
    terminal: bool,
    colour: Colour,
}

impl Teller {
    pub(super) fn new(colour: Colour) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            colour,
        }
    }

    /// Takes away the line about this moment.
    pub(super) fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

impl Progress for Teller {
    fn says(&mut self, what: &str) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\u{1b}[K… {what}");
        }
    }

    fn ended(&mut self, case: &CaseReport) {
        self.clear();
        let _ = writeln!(io::stderr(), "{}", case_line(case, self.colour));
    }
}

/// Writes a report in the form that was chosen.
pub(super) fn write(report: &Report, form: Form, colour: Colour) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = match form {
        Form::Text => write_text(report, colour, &mut out),
        Form::Junit => write_junit(report, &mut out),
        Form::Json => writeln!(out, "{}", serde_json::to_string(report)?),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
