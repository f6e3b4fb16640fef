//! What the rounds met: a run that never met something proves nothing about it.

use std::collections::BTreeMap;

use enforcer_lab::Families;
use enforcer_policy::oracle::{Objects, Part};
use enforcer_testing::coverage::{Coverage, observe};

use crate::probe::Probe;
use crate::random::Random;
use crate::stage::{Stage, stages};

/// Questions of each stage that are looked at closely: it is slow.
const OBSERVED: usize = 30;

/// The counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: usize,
    pub(crate) probes: usize,
    /// Probes that needed more than one attempt.
    pub(crate) repeated: usize,
    /// Reports of daemons that were lost on their way here.
    pub(crate) lost: u64,
    coverage: Coverage,
    met: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn stage(&mut self, stage: Stage, families: Families) {
        self.meet(format!("shape {}", stage.name));
        self.meet(format!("families {families:?}"));
    }

    pub(crate) fn probes(&mut self, objects: &Objects, probes: &[Probe], dice: &mut Random) {
        self.probes += probes.len();
        let (to_services, probes): (Vec<_>, Vec<_>) =
            probes.iter().partition(|probe| probe.backends.is_some());
        for probe in to_services {
            self.meet(service(probe));
        }
        for probe in &probes {
            self.meet(verdict(probe.kind.name(), probe.allowed));
        }
        let by_rule = |probe: &&Probe| {
            let parts = [&probe.answer.egress, &probe.answer.ingress];
            parts
                .iter()
                .any(|part| matches!(part, Part::Allowed { .. }))
        };
        let allowed = dice.some(probes.iter().copied().filter(by_rule).collect(), OBSERVED);
        let others = dice.some(probes, OBSERVED);
        for probe in allowed.into_iter().chain(others) {
            observe(
                &mut self.coverage,
                objects,
                &probe.question(),
                &probe.answer,
            );
        }
    }

    pub(crate) fn lasting(&mut self, probe: &Probe) {
        self.probes += 1;
        let behind = if probe.backends.is_some() {
            " to a service"
        } else {
            ""
        };
        let name = format!("{}{behind}", probe.kind.name());
        self.meet(lasting(&name, probe.allowed));
    }

    pub(crate) fn meet(&mut self, what: String) {
        *self.met.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.probes += other.probes;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.coverage.add(&other.coverage);
        for (what, count) in other.met {
            *self.met.entry(what).or_default() += count;
        }
    }

    /// What was never met.
    pub(crate) fn missing(&self) -> Vec<String> {
        let features = self.coverage.missing();
        let features = features.into_iter().map(|feature| format!("{feature:?}"));
        let wanted = wanted().into_iter();
        features
            .chain(wanted.filter(|what| !self.met.contains_key(what)))
            .collect()
    }

    /// What was met, and how often.
    pub(crate) fn met(&self) -> String {
        let met = self.met.iter();
        let met = met.map(|(what, count)| format!("{what} {count}"));
        met.collect::<Vec<_>>().join(", ")
    }
}

fn service(probe: &Probe) -> String {
    let name = match (&probe.backends, probe.allowed, probe.may_arrive()) {
        (Some(backends), ..) if backends.is_empty() => "without backend",
        (_, true, _) => "allowed",
        (_, false, true) => "partly allowed",
        (_, false, false) => "denied",
    };
    format!("{} to a service {name}", probe.kind.name())
}

fn verdict(protocol: &str, allowed: bool) -> String {
    format!("{protocol} {}", if allowed { "allowed" } else { "denied" })
}

fn lasting(protocol: &str, allowed: bool) -> String {
    format!("old {protocol} {}", if allowed { "lives" } else { "cut" })
}

fn wanted() -> Vec<String> {
    let protocols = ["TCP", "UDP", "SCTP", "ICMP", "GRE"];
    let verdicts = protocols.map(|protocol| [true, false].map(|yes| verdict(protocol, yes)));
    let shapes = stages().iter().map(|stage| format!("shape {}", stage.name));
    let lasting = ["TCP", "UDP"].map(|protocol| [true, false].map(|yes| lasting(protocol, yes)));
    let services = ["allowed", "partly allowed", "denied", "without backend"];
    let services = services.map(|name| format!("TCP to a service {name}"));
    let all = verdicts.into_iter().chain(lasting).flatten();
    all.chain(shapes).chain(services).collect()
}
