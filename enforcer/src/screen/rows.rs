//! The rows of a node's screen.

use jiff::Timestamp;

use super::details::{since, time};
use super::{Endpoints, Policies, Topic};
use crate::api::Status;

/// What a row is called, what it is about, and its text.
pub(super) type NodeRow = (&'static str, Topic, String);

pub(super) fn rows(status: &Status, now: Timestamp) -> Vec<NodeRow> {
    vec![
        ("daemon", Topic::Daemon, daemon(status, now)),
        ("source", Topic::Source, source(status, now)),
        ("policies", Topic::Policies, policies(status)),
        ("endpoints", Topic::Endpoints, endpoints(status)),
        ("maps", Topic::Maps, maps(status)),
        ("flows", Topic::Flows, flows(status)),
        ("drops", Topic::Drops, drops(status)),
        ("engines", Topic::Engines, engines(status)),
        ("CNI plugin", Topic::Cni, cni(status)),
    ]
}

fn daemon(status: &Status, now: Timestamp) -> String {
    let about = &status.about;
    format!(
        "up {}, mode {}, pending links {}, Linux {}, hook {}, ABI {}",
        since(about.started, now),
        status.mode,
        status.pending,
        about.kernel,
        about.hook,
        about.abi
    )
}

fn source(status: &Status, now: Timestamp) -> String {
    let place = match &status.source.manifests {
        Some(path) => format!("manifests in {}", path.display()),
        None => "Kubernetes API".to_owned(),
    };
    let read = if status.synced {
        "everything read"
    } else {
        "NOT everything read yet"
    };
    let work = status.work.in_words();
    format!("{place}, {read}{}{work}", behind(status, now))
}

fn behind(status: &Status, now: Timestamp) -> String {
    let behind = &status.source.behind;
    let kinds: Vec<&str> = behind.iter().map(|one| one.kind.as_str()).collect();
    let oldest = behind.iter().filter_map(|one| one.since).min();
    let lag = oldest.map(|oldest| format!(", for {}", since(Some(oldest), now)));
    match kinds.join(", ") {
        kinds if kinds.is_empty() => kinds,
        kinds => format!(", NOT up to date: {kinds}{}", lag.unwrap_or_default()),
    }
}

fn policies(status: &Status) -> String {
    let Policies {
        all,
        enforced,
        not_enforced,
        elsewhere,
        refused,
    } = Policies::of(status);
    format!(
        "{all}: {enforced} enforced here, {not_enforced} not for all of its pods, {elsewhere} select nobody \
         here; {refused} refused"
    )
}

fn endpoints(status: &Status) -> String {
    let counts = Endpoints::of(status);
    format!(
        "{}: isolated {} in, {} out, {} both ways; {} open, {} not enforced; {} links pending",
        counts.all,
        counts.ingress,
        counts.egress,
        counts.both,
        counts.open,
        counts.not_enforced,
        counts.pending
    )
}

fn maps(status: &Status) -> String {
    let fills = status.maps.iter().map(|(name, fill)| {
        let percent = fill.used * 100 / fill.capacity.max(1);
        format!("{name} {percent} %")
    });
    let fills: Vec<String> = fills.collect();
    let (identities, sets) = (status.identities, status.policy_sets);
    format!(
        "{}; identities {identities}, policy sets {sets}",
        fills.join(", ")
    )
}

fn flows(status: &Status) -> String {
    let (flows, recent) = (&status.flows, &status.recent);
    // In tenths, so that numbers stay whole.
    let rate = recent.records * 10 / recent.seconds.max(1);
    let lost: u64 = status.events_suppressed.values().sum();
    format!(
        "{} of {} records kept, {}.{} a second, {lost} events not reported since the start",
        flows.kept,
        flows.limit,
        rate / 10,
        rate % 10
    )
}

fn drops(status: &Status) -> String {
    let recent = &status.recent;
    let counts = recent.drops.iter();
    let counts: Vec<String> = counts.map(|(name, n)| format!("{name} {n}")).collect();
    let counts = if counts.is_empty() {
        "none".to_owned()
    } else {
        counts.join(", ")
    };
    format!("in the last {}: {counts}", time(recent.seconds))
}

fn engines(status: &Status) -> String {
    match status.other_engines.len() {
        0 => "no other policy engine".to_owned(),
        count => format!("{count} beside this one"),
    }
}

fn cni(status: &Status) -> String {
    let text = match &status.cni {
        None => "not used",
        Some(cni) if cni.trouble.is_some() => "NOT installed",
        Some(_) => "installed",
    };
    text.to_owned()
}
