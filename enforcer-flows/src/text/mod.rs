//! Records for people.

mod colour;
mod compact;
mod policies;
mod side;
mod tcpdump;
#[cfg(test)]
mod tests;
mod wide;

use std::fmt;

use enforcer_common::Reason;

use crate::record::{Record, Verdict};
use colour::Colour;

/// How a record looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One line: when, what, who, why.
    #[default]
    Compact,
    /// The same with addresses, and a line for each side with all that is known of it.
    Wide,
    /// One line as tcpdump prints packets, with what became of it at the end.
    Tcpdump,
}

/// How records are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// How they look.
    pub form: Form,
    /// Whether verdicts are in colour.
    pub colour: bool,
}

/// A record that is printed in a style, without the end of its last line.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    record: &'a Record,
    style: Style,
}

impl Style {
    /// The record in this style.
    pub const fn show(self, record: &Record) -> Shown<'_> {
        let style = self;
        Shown { record, style }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, style } = *self;
        match style.form {
            Form::Compact => compact::print(f, record, style),
            Form::Wide => wide::print(f, record, style),
            Form::Tcpdump => tcpdump::print(f, record, style),
        }
    }
}

/// In compact form, without colour.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Style::default().show(self))
    }
}

/// What happened, in a word.
fn word(record: &Record) -> (&'static str, Colour) {
    use crate::record::Kind;
    match record.kind {
        Kind::Opened => ("ALLOWED", Colour::Green),
        Kind::Denied => ("DENIED", Colour::Red),
        Kind::Audited => ("AUDIT", Colour::Yellow),
        Kind::Closed => ("CLOSED", Colour::Dim),
    }
}

/// Direction and reason, as a clause.
fn why(f: &mut fmt::Formatter<'_>, record: &Record) -> fmt::Result {
    let direction = crate::record::direction_name(record.direction);
    write!(f, "{direction} {}", record.reason.name())?;
    if record.reason == Reason::Deferred {
        write!(f, " until the service's backend is known")?;
    }
    if record.count > 1 {
        write!(f, ", {} packets", record.count)?;
    }
    if let Some(total) = &record.total {
        let seconds = std::time::Duration::from_nanos(total.duration).as_secs_f64();
        let (packets, bytes) = (total.packets, total.bytes);
        write!(f, ", {packets} packets and {bytes} bytes in {seconds:.3} s")?;
    }
    Ok(())
}

/// Whether policies decided.
fn is_decided(record: &Record) -> bool {
    record.context.allowed_by.is_some() || record.verdict() != Verdict::Allowed
}
