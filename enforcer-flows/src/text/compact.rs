//! One line: when, what, who, why.

use std::fmt;

use super::policies::{Near, Spoke};
use super::side::Short;
use super::{Style, is_decided, why, word};
use crate::record::Record;

pub(super) fn print(f: &mut fmt::Formatter<'_>, record: &Record, style: Style) -> fmt::Result {
    head(f, record, style)?;
    let (source, destination) = (Short(&record.source), Short(&record.destination));
    write!(f, " {source} → {destination}  ")?;
    why(f, record)?;
    if is_decided(record) {
        write!(f, "{}", Spoke(&record.context))?;
    }
    if let Some(nearest) = &record.context.nearest {
        write!(f, "; {}", Near(nearest))?;
    }
    Ok(())
}

/// When, where and what.
pub(super) fn head(f: &mut fmt::Formatter<'_>, record: &Record, style: Style) -> fmt::Result {
    write!(f, "{:.3} ", record.time)?;
    if let Some(node) = &record.context.node {
        write!(f, "{node} ")?;
    }
    let (word, colour) = word(record);
    colour.paint(f, style.colour, format_args!("{word:<7}"))?;
    write!(f, " {}", record.protocol)?;
    if let Some(icmp) = &record.icmp {
        write!(f, " type {} code {}", icmp.kind, icmp.code)?;
    }
    Ok(())
}
