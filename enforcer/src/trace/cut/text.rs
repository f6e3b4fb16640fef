//! A report for people.

use std::io::{self, Write};

use enforcer_common::Reason;

use super::report::{Cut, End, Report, Side, State};

/// Writes each connection that would be cut, with the reasons, and the sums.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_text(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for cut in &report.cut {
        write_cut(cut, out)?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    let (cut, kept) = (report.cut.len(), report.kept);
    let plural = if cut == 1 { "" } else { "s" };
    writeln!(
        out,
        "{cut} connection{plural} would be cut, {kept} would go on"
    )
}

fn write_cut(cut: &Cut, out: &mut impl Write) -> io::Result<()> {
    let (client, server) = (side(&cut.client), side(&cut.server));
    write!(out, "{} {client} → {server}", cut.protocol)?;
    match cut.idle_seconds {
        Some(idle) => writeln!(out, ", last packet {idle} s ago")?,
        None => writeln!(out)?,
    }
    for end in &cut.denied_at {
        write_end(end, out)?;
    }
    writeln!(out)
}

fn side(side: &Side) -> String {
    let Side { who, address, port } = side;
    match port {
        Some(port) => format!("{who} ({address} port {port})"),
        None => format!("{who} ({address})"),
    }
}

fn write_end(end: &End, out: &mut impl Write) -> io::Result<()> {
    let End {
        pod,
        direction,
        now,
        then,
        ..
    } = end;
    write!(out, "  {direction} of {pod}: now ")?;
    match &now.allowed_by {
        Some(rule) => writeln!(out, "allowed by {} {}", rule.policy, rule.rule)?,
        None => writeln!(out, "{}", why_allowed(now))?,
    }
    if then.isolated_by.is_empty() {
        return writeln!(out, "    then denied: {}", then.reason);
    }
    writeln!(out, "    then isolated by {}", then.isolated_by.join(", "))?;
    match &then.nearest {
        Some(nearest) => {
            let rule = &nearest.rule;
            let lacks = nearest.lacks.join("; ");
            writeln!(
                out,
                "    nearest is {} {}, but {lacks}",
                rule.policy, rule.rule
            )
        }
        None => writeln!(out, "    they allow nothing in this direction"),
    }
}

fn why_allowed(state: &State) -> &str {
    if state.reason == Reason::NotIsolated.name() {
        "allowed, because no policy isolates it in this direction"
    } else if state.reason == Reason::OwnNode.name() {
        "allowed, because a pod and its own node always reach each other"
    } else {
        &state.reason
    }
}
