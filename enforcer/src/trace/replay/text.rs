//! A replay for people.

use std::io::{self, Write};

use super::super::answer::{Ends, Part, Verdict};
use super::super::text::write_part;
use super::{Judged, NotJudged, Recording, Replay};

/// Writes what differs, what could not be judged, and a table of all.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_replay(replay: &Replay, out: &mut impl Write) -> io::Result<()> {
    for (title, verdict) in [
        ("WOULD BE DENIED", Verdict::Deny),
        ("WOULD BE ALLOWED", Verdict::Allow),
    ] {
        let differing = replay.differing.iter();
        let differing = differing.filter(|one| one.now.verdict == verdict);
        for judged in differing {
            write!(out, "{title}: ")?;
            write_judged(judged, out)?;
            writeln!(out)?;
        }
    }
    write_list("no longer there", &replay.gone, out)?;
    write_list("not judged", &replay.unanswered, out)?;
    let summary = replay.summary;
    writeln!(
        out,
        "{:14}{:>13}{:>13}",
        "connections", "now allowed", "now denied"
    )?;
    let (allowed, denied) = (summary.still_allowed, summary.newly_denied);
    writeln!(out, "{:14}{allowed:>13}{denied:>13}", "was allowed")?;
    let (allowed, denied) = (summary.newly_allowed, summary.still_denied);
    writeln!(out, "{:14}{allowed:>13}{denied:>13}", "was denied")?;
    let (gone, unanswered) = (replay.gone.len(), replay.unanswered.len());
    writeln!(out, "no longer there: {gone}; not judged: {unanswered}")?;
    match replay.lost {
        0 => Ok(()),
        lost => writeln!(out, "lost before they could be judged: {lost}"),
    }
}

fn write_list(title: &str, list: &[NotJudged], out: &mut impl Write) -> io::Result<()> {
    for one in list {
        write!(out, "{title}: ")?;
        write_recording(&one.recording, out)?;
        writeln!(out, "  {}\n", one.why)?;
    }
    Ok(())
}

fn write_judged(judged: &Judged, out: &mut impl Write) -> io::Result<()> {
    write_recording(&judged.recording, out)?;
    for [was, is] in &judged.instead {
        writeln!(
            out,
            "  judged by {is}, of the same workload: {was} is no longer there"
        )?;
    }
    for note in &judged.now.notes {
        writeln!(out, "  note: {note}")?;
    }
    let (from, to) = (&judged.now.from, &judged.now.to);
    match &judged.now.ends {
        Ends::Direct { egress, ingress } => {
            write_end(egress, "egress", from, judged, out)?;
            write_end(ingress, "ingress", to, judged, out)
        }
        Ends::Service { backends, .. } => {
            for backend in backends {
                write_end(&backend.egress, "egress", from, judged, out)?;
                write_end(&backend.ingress, "ingress", "the backend", judged, out)?;
            }
            Ok(())
        }
    }
}

/// Of a denial those ends that deny, of what is allowed both.
fn write_end(
    part: &Part,
    direction: &str,
    asked: &str,
    judged: &Judged,
    out: &mut impl Write,
) -> io::Result<()> {
    if part.verdict == judged.now.verdict {
        write_part(part, direction, asked, "  ", out)?;
    }
    Ok(())
}

fn write_recording(recording: &Recording, out: &mut impl Write) -> io::Result<()> {
    let Recording {
        from, to, protocol, ..
    } = recording;
    write!(out, "{from} → {to} {protocol}")?;
    if let Some(port) = recording.port {
        write!(out, " {port}")?;
    }
    write!(out, "; was {}", recording.was)?;
    for (count, what) in [
        (recording.connections, "connection"),
        (recording.packets_denied, "denied packet"),
    ] {
        let plural = if count == 1 { "" } else { "s" };
        if count > 0 {
            write!(out, ", {count} {what}{plural}")?;
        }
    }
    match &recording.last {
        Some(last) => writeln!(out, ", last {last}"),
        None => writeln!(out),
    }
}
