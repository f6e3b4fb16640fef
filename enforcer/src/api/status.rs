//! The answer to `status`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Everything that an operator asks about a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Everything read is in force in the kernel.
    pub in_force: bool,
    /// The source has told everything at least once: from manifests always, from an API server when each
    /// kind has been listed whole. Before that nothing of this daemon is in force.
    #[serde(default)]
    pub synced: bool,
    /// The node's name, where one was given.
    pub node: Option<String>,
    /// `enforce` or `audit`.
    pub mode: String,
    /// What passes before a link's pod is known: `allow` or `deny`.
    pub pending: String,
    /// Version of the daemon.
    pub version: String,
    /// Pods of this node.
    pub endpoints: Vec<EndpointStatus>,
    /// Links whose pod is not known, by name.
    pub pending_links: Vec<String>,
    /// Policies.
    pub policies: Vec<PolicyStatus>,
    /// Other policy engines of this node, each with what gives it away: a packet must pass them
    /// too.
    #[serde(default)]
    pub other_engines: Vec<String>,
    /// What is wrong with the manifests, each with file, line, object, field and help.
    pub problems: Vec<String>,
    /// What is wrong with the node: writes that failed, namespaces that cannot be read.
    pub faults: Vec<String>,
    /// Why the API server is told nothing now, when it should be. What is enforced does not suffer.
    #[serde(default)]
    pub reports: Option<String>,
    /// Identities in use.
    pub identities: usize,
    /// Policy sets in use.
    pub policy_sets: usize,
    /// Entries by map: used and possible.
    pub maps: BTreeMap<String, Fill>,
    /// Packets by `direction/reason`.
    pub packets: BTreeMap<String, u64>,
    /// Events that were not reported, by kind.
    pub events_suppressed: BTreeMap<String, u64>,
    /// Denials of which no record tells, by `direction/reason`; as many more as records have are those in
    /// `packets`.
    #[serde(default)]
    pub denials_unrecorded: BTreeMap<String, u64>,
    /// Entries of maps that were not as written, and were written again, by map; none that is 0.
    #[serde(default)]
    pub drift_repaired: BTreeMap<String, u64>,
    /// What the daemon did since its start.
    #[serde(default)]
    pub work: Work,
}

/// What the daemon did since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Changes of objects.
    pub changes: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Batches that policies may depend on, so that tables were compiled.
    pub compiles: u64,
    /// Writes to maps that followed.
    pub writes: u64,
    /// From the arrival of a batch's oldest change to its last write: how many took at most so many
    /// microseconds and longer than the one before, those that took longer than all under `null`.
    pub latency: Vec<(Option<u64>, u64)>,
    /// All those times together, in microseconds.
    pub latency_sum: u64,
    /// The longest of them, in microseconds.
    pub latency_longest: u64,
}

/// `Changes 12 in 3 batches, 2 compiled, 40 writes, in force after 1.2 ms on average, 3.4 ms at most`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            changes,
            batches,
            compiles,
            writes,
            ..
        } = self;
        write!(
            f,
            "Changes {changes} in {batches} batches, {compiles} compiled, {writes} writes"
        )?;
        let times: u64 = self.latency.iter().map(|(_, count)| count).sum();
        let Some(average) = self.latency_sum.checked_div(times) else {
            return Ok(());
        };
        let milliseconds = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
        let (average, longest) = (milliseconds(average), milliseconds(self.latency_longest));
        write!(
            f,
            ", in force after {average} on average, {longest} at most"
        )
    }
}

/// A map's fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Entries in use.
    pub used: usize,
    /// Entries that fit.
    pub capacity: usize,
}

/// A pod of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// `namespace/name`.
    pub pod: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Names of the host's sides of its links, second networks' among them.
    pub links: Vec<String>,
    /// Policies that isolate it towards the pod.
    pub ingress: Vec<String>,
    /// Policies that isolate it from the pod.
    pub egress: Vec<String>,
    /// Why it is not enforced, or not at all of its links, when that is so.
    pub not_enforced: Option<String>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// `namespace/name`.
    pub policy: String,
    /// How many of this node's pods it selects.
    pub selected: usize,
    /// Pods that it selects but that are not enforced here, and why.
    pub not_enforced: BTreeMap<String, String>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.in_force {
            "in force"
        } else {
            "NOT in force"
        };
        writeln!(
            f,
            "enforcer {}: {state}, mode {}, pending links {}",
            self.version, self.mode, self.pending
        )?;
        if let Some(node) = &self.node {
            writeln!(f, "node {node}")?;
        }
        self.write_endpoints(f)?;
        self.write_policies(f)?;
        for (title, lines) in [
            (
                "Other policy engines, which packets must pass too",
                &self.other_engines,
            ),
            ("Problems in the manifests", &self.problems),
            ("Faults of the node", &self.faults),
        ] {
            if !lines.is_empty() {
                writeln!(f, "\n{title}:")?;
                for line in lines {
                    writeln!(f, "  {}", line.replace('\n', "\n  "))?;
                }
            }
        }
        if let Some(why) = &self.reports {
            writeln!(f, "\nNo reports to the API server: {why}")?;
        }
        self.write_numbers(f)
    }
}

impl Status {
    fn write_endpoints(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nEndpoints ({}):", self.endpoints.len())?;
        for endpoint in &self.endpoints {
            let addresses: Vec<String> =
                endpoint.addresses.iter().map(ToString::to_string).collect();
            write!(f, "  {} {}", endpoint.pod, addresses.join(" "))?;
            if let Some(why) = &endpoint.not_enforced {
                if endpoint.links.is_empty() {
                    writeln!(f, "  NOT ENFORCED: {why}")?;
                    continue;
                }
                write!(f, "  NOT ENFORCED at all of its links: {why};")?;
            }
            write!(f, "  on {}", endpoint.links.join(" "))?;
            for (direction, policies) in
                [("ingress", &endpoint.ingress), ("egress", &endpoint.egress)]
            {
                if policies.is_empty() {
                    write!(f, "  {direction}: open")?;
                } else {
                    write!(f, "  {direction}: {}", policies.join(", "))?;
                }
            }
            writeln!(f)?;
        }
        if !self.pending_links.is_empty() {
            writeln!(
                f,
                "  links without a known pod: {}",
                self.pending_links.join(" ")
            )?;
        }
        Ok(())
    }

    fn write_policies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nPolicies ({}):", self.policies.len())?;
        for policy in &self.policies {
            writeln!(
                f,
                "  {}  selects {} pods here",
                policy.policy, policy.selected
            )?;
            for (pod, why) in &policy.not_enforced {
                writeln!(f, "    NOT ENFORCED for {pod}: {why}")?;
            }
        }
        Ok(())
    }

    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nIdentities {}, policy sets {}",
            self.identities, self.policy_sets
        )?;
        let fills: Vec<String> = self
            .maps
            .iter()
            .map(|(name, fill)| format!("{name} {}/{}", fill.used, fill.capacity))
            .collect();
        writeln!(f, "Maps: {}", fills.join(", "))?;
        let packets: Vec<String> = self
            .packets
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "Packets: {}", packets.join(", "))?;
        if self.events_suppressed.values().any(|count| *count > 0) {
            let lost: Vec<String> = self
                .events_suppressed
                .iter()
                .map(|(kind, n)| format!("{kind} {n}"))
                .collect();
            writeln!(f, "Events not reported: {}", lost.join(", "))?;
        }
        if !self.drift_repaired.is_empty() {
            let maps = self.drift_repaired.iter();
            let maps: Vec<String> = maps.map(|(map, n)| format!("{map} {n}")).collect();
            let maps = maps.join(", ");
            writeln!(f, "Map entries that were not as written, repaired: {maps}")?;
        }
        writeln!(f, "{}", self.work)
    }
}
