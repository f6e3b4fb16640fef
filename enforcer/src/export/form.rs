//! Records as lines.

use enforcer_flows::Record;
use jiff::Timestamp;
use serde::Serialize;

use super::options::Format;
use super::otlp;

/// Says in the place of records that they were missed.
#[derive(Debug, Serialize)]
pub(super) struct Missed<'a> {
    /// How many records were gone before they were looked at; which of them were meant, nobody knows.
    #[serde(rename = "missed")]
    pub records: u64,
    /// When that was found out.
    #[serde(serialize_with = "print")]
    pub time: Timestamp,
    /// The node that tells it, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<&'a str>,
}

fn print<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.9}"))
}

/// The line of a record, with its end.
pub(super) fn record(format: Format, record: &Record) -> Vec<u8> {
    match format {
        Format::Json => line(record),
        Format::Otlp => line(&otlp::of_record(record)),
    }
}

/// The line about missed records, with its end.
pub(super) fn missed(format: Format, missed: &Missed<'_>) -> Vec<u8> {
    match format {
        Format::Json => line(missed),
        Format::Otlp => line(&otlp::of_missed(missed)),
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::new();
    // Writing to memory cannot fail, and no key of a map is anything but text.
    let _ = serde_json::to_writer(&mut line, value);
    line.push(b'\n');
    line
}
