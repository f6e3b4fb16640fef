//! All that is known, on a line for each side.

use std::fmt;

use super::policies::{Near, Spoke};
use super::side::Full;
use super::{Style, compact, is_decided, why};
use crate::record::{Party, Record};

pub(super) fn print(f: &mut fmt::Formatter<'_>, record: &Record, style: Style) -> fmt::Result {
    compact::head(f, record, style)?;
    let (source, destination) = (Full(&record.source), Full(&record.destination));
    write!(f, " {source} → {destination}  ")?;
    why(f, record)?;
    if is_decided(record) {
        write!(f, "{}", Spoke(&record.context))?;
    }
    side(f, "from", &record.source)?;
    side(f, "to", &record.destination)?;
    if let Some(nearest) = &record.context.nearest {
        write!(f, "\n    {}", Near(nearest))?;
    }
    write!(
        f,
        "\n    record {}, {} bytes",
        record.sequence, record.length
    )?;
    if let Some(flags) = record.flags {
        write!(f, ", flags {flags}")?;
    }
    if let Some(endpoint) = &record.context.endpoint {
        let hook = crate::record::direction_name(record.hook);
        write!(f, ", seen at {endpoint} ({hook})")?;
    }
    Ok(())
}

fn side(f: &mut fmt::Formatter<'_>, what: &str, party: &Party) -> fmt::Result {
    write!(f, "\n    {what:<4}")?;
    if let Some(identity) = party.identity {
        write!(f, " identity {identity}")?;
    }
    let Some(who) = party.who.as_deref() else {
        return f.write_str(" outside the cluster");
    };
    if let Some(workload) = &who.workload {
        write!(f, " {workload}")?;
    }
    if let Some(node) = &who.node {
        write!(f, " on {node}")?;
    }
    for (index, (key, value)) in who.labels.iter().enumerate() {
        let before = if index == 0 { ' ' } else { ',' };
        write!(f, "{before}{key}={value}")?;
    }
    Ok(())
}
