//! An answer for people.

use std::io::{self, Write};

use enforcer_common::Reason;

use super::answer::{Answer, NOT_A_POD, Part, Verdict};

/// Writes the verdict, and for each end who isolates it and which rule decided.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_text(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let verdict = match answer.verdict {
        Verdict::Allow => "ALLOWED",
        Verdict::Deny => "DENIED",
    };
    let (from, to, protocol) = (&answer.from, &answer.to, &answer.protocol);
    write!(out, "{verdict}: {from} → {to} {protocol}")?;
    match answer.port {
        Some(port) => writeln!(out, " port {port}")?,
        None => writeln!(out)?,
    }
    for note in &answer.notes {
        writeln!(out, "note: {note}")?;
    }
    write_part(&answer.egress, "egress", from, out)?;
    write_part(&answer.ingress, "ingress", to, out)
}

fn write_part(part: &Part, direction: &str, asked: &str, out: &mut impl Write) -> io::Result<()> {
    let Part { who, verdict, .. } = part;
    write!(out, "\n{direction} of {asked}")?;
    // An address or a name without namespace does not say it all.
    if !who.ends_with(&format!(" {asked}")) {
        write!(out, ", {who}")?;
    }
    writeln!(out, ": {verdict}, {}", why(part))?;
    if part.isolated {
        writeln!(out, "  isolated by {}", part.policies.join(", "))?;
    }
    if let Some(rule) = &part.allowed_by {
        writeln!(out, "  allowed by {} {}", rule.policy, rule.rule)?;
    }
    if let Some(nearest) = &part.nearest {
        let rule = &nearest.rule;
        writeln!(out, "  nearest is {} {}, but", rule.policy, rule.rule)?;
        for lack in &nearest.lacks {
            writeln!(out, "    {lack}")?;
        }
    } else if part.verdict == Verdict::Deny {
        writeln!(out, "  they allow nothing in this direction")?;
    }
    Ok(())
}

fn why(part: &Part) -> String {
    let is = |reason: Reason| part.reason == reason.name();
    let words = if part.reason == NOT_A_POD {
        "policies apply to pods only, and it is none"
    } else if is(Reason::NotIsolated) {
        "no policy isolates it in this direction"
    } else if is(Reason::Allowed) {
        "a rule allows it"
    } else if is(Reason::PolicyDenied) {
        "no rule allows it"
    } else if is(Reason::OwnNode) {
        "a pod and its own node always reach each other"
    } else if is(Reason::OwnPod) {
        "a pod always reaches itself"
    } else {
        return part.reason.to_owned();
    };
    words.to_owned()
}
