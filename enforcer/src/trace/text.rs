//! An answer for people.

use std::io::{self, Write};

use enforcer_common::{Action, Reason};

use super::answer::{Answer, BackendAnswer, Ends, HEADLESS, NOT_A_POD, Part, ServiceName, Verdict};

/// Writes the verdict, and for each end who isolates it and which rule decided.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_text(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let verdict = match answer.verdict {
        Verdict::Allow => "ALLOWED",
        Verdict::Deny => "DENIED",
        Verdict::Differs => "DIFFERS",
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
    match &answer.ends {
        Ends::Direct { egress, ingress } => {
            writeln!(out)?;
            write_part(egress, "egress", from, "", out)?;
            writeln!(out)?;
            write_part(ingress, "ingress", to, "", out)
        }
        Ends::Service {
            service,
            at_sender,
            backends,
            without_backend,
        } => {
            write_service(service, *at_sender, backends, out)?;
            if let Some(words) = without_backend {
                writeln!(out, "  {words}")?;
            }
            for backend in backends {
                write_backend(backend, from, out)?;
            }
            Ok(())
        }
    }
}

fn write_service(
    service: &ServiceName,
    at_sender: Option<&str>,
    backends: &[BackendAnswer],
    out: &mut impl Write,
) -> io::Result<()> {
    let reached = |backend: &&BackendAnswer| backend.verdict == Verdict::Allow;
    let reached = backends.iter().filter(reached).count();
    write!(out, "\nservice {}", service.name)?;
    if let Some(port) = &service.port {
        write!(out, " port {port}")?;
    }
    match service.address {
        Some(address) => write!(out, " by its {} {address}", service.reached_by)?,
        None if service.reached_by == HEADLESS => {
            write!(out, ", headless: its name means its backends")?;
        }
        None => {}
    }
    writeln!(out, ": {reached} of {} backends reached", backends.len())?;
    if at_sender == Some(Reason::Deferred.name()) {
        writeln!(
            out,
            "  egress policies are asked about the backend, not about the service"
        )?;
    } else if let Some(reason) = at_sender.filter(|reason| is_drop(reason)) {
        writeln!(out, "  dropped at the sender: {reason}")?;
    }
    if let Some(seconds) = service.affinity_seconds {
        writeln!(
            out,
            "  session affinity: the same backend again within {seconds} seconds"
        )?;
    }
    if service.masqueraded {
        writeln!(
            out,
            "  the node puts its own address in the place of the sender's, and ingress policies see that"
        )?;
    }
    Ok(())
}

fn is_drop(reason: &str) -> bool {
    let mut known = Reason::ALL.iter();
    known.any(|one| one.name() == reason && one.action() == Action::Drop)
}

fn write_backend(backend: &BackendAnswer, from: &str, out: &mut impl Write) -> io::Result<()> {
    let verdict = backend.verdict;
    let (address, port) = (backend.address, backend.port);
    let who = &backend.ingress.who;
    writeln!(out, "\n{verdict}: {who} ({address} port {port})")?;
    write_part(&backend.egress, "egress", from, "  ", out)?;
    write_part(&backend.ingress, "ingress", "the backend", "  ", out)
}

pub(super) fn write_part(
    part: &Part,
    direction: &str,
    asked: &str,
    indent: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let Part { who, verdict, .. } = part;
    write!(out, "{indent}{direction} of {asked}")?;
    // An address or a name without namespace does not say it all.
    if !who.ends_with(&format!(" {asked}")) {
        write!(out, ", {who}")?;
    }
    writeln!(out, ": {verdict}, {}", why(part))?;
    if part.isolated {
        writeln!(out, "{indent}  isolated by {}", part.policies.join(", "))?;
    }
    if let Some(rule) = &part.allowed_by {
        writeln!(out, "{indent}  allowed by {} {}", rule.policy, rule.rule)?;
    }
    if let Some(nearest) = &part.nearest {
        let rule = &nearest.rule;
        writeln!(
            out,
            "{indent}  nearest is {} {}, but",
            rule.policy, rule.rule
        )?;
        for lack in &nearest.lacks {
            writeln!(out, "{indent}    {lack}")?;
        }
    } else if part.verdict == Verdict::Deny {
        writeln!(out, "{indent}  they allow nothing in this direction")?;
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
