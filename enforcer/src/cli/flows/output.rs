//! Printing records.

use std::io::{self, ErrorKind, Write as _};

use enforcer_flows::Record;
use enforcer_flows::text::{self, Style};

use super::options::Form;
use crate::cli::colour::ColourArgs;

/// Prints records in the form that was chosen.
pub(super) struct Printer {
    /// `None` for JSON.
    style: Option<Style>,
}

impl Printer {
    pub(super) fn new(form: Form, colour: ColourArgs) -> Self {
        let form = match form {
            Form::Compact => Some(text::Form::Compact),
            Form::Wide => Some(text::Form::Wide),
            Form::Tcpdump => Some(text::Form::Tcpdump),
            Form::Json => None,
        };
        let colour = colour.is_wanted();
        Self {
            style: form.map(|form| Style { form, colour }),
        }
    }

    /// Prints a record; `false` when nobody reads any more.
    pub(super) fn print(&mut self, record: &Record) -> anyhow::Result<bool> {
        let line = match self.style {
            Some(style) => style.show(record).to_string(),
            None => serde_json::to_string(record)?,
        };
        let mut out = io::stdout().lock();
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(true),
        }
    }
}
