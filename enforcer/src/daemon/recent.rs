//! What happened in the last minutes: counters now and a while ago.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use enforcer_common::Reason;

use super::{Daemon, Origin};
use crate::api::status::{About, BehindStatus, CniStatus, FlowStatus, Recent, SourceStatus};
use crate::datapath::attach::Place;
use crate::datapath::features;
use crate::http::numbers::is_denial;

/// How often counters are noted.
pub(super) const INTERVAL: Duration = Duration::from_secs(20);

/// How far back the oldest note goes.
const SPAN: Duration = Duration::from_secs(300);

/// Counters at a moment.
#[derive(Clone, Debug)]
struct Sample {
    at: Instant,
    packets: BTreeMap<String, u64>,
    records: u64,
    lost: u64,
}

/// Counters of the last minutes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Sample>);

impl Samples {
    /// Notes the counters; the oldest are forgotten.
    fn note(&mut self, sample: Sample) {
        while let Some(second) = self.0.get(1)
            && sample.at.duration_since(second.at) >= SPAN
        {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// What came since the oldest note.
    fn until(&self, now: &Sample) -> Recent {
        let Some(then) = self.0.front() else {
            return Recent::default();
        };
        let drops = now.packets.iter().filter(|(name, _)| is_drop(name));
        let drops = drops.filter_map(|(name, count)| {
            let before = then.packets.get(name).copied().unwrap_or_default();
            let more = count.saturating_sub(before);
            (more > 0).then(|| (name.clone(), more))
        });
        Recent {
            seconds: now.at.duration_since(then.at).as_secs(),
            drops: drops.collect(),
            records: now.records.saturating_sub(then.records),
            lost: now.lost.saturating_sub(then.lost),
        }
    }
}

/// Whether a counter is of packets that were dropped, or would have been.
fn is_drop(name: &str) -> bool {
    let reason = name.split_once('/').map_or(name, |(_, reason)| reason);
    let mut all = Reason::ALL.iter().filter(|one| one.name() == reason);
    all.any(|one| is_denial(*one))
}

impl Daemon {
    /// Notes the counters as they are.
    pub(super) fn sample(&mut self) {
        let sample = self.counters();
        self.recent.note(sample);
    }

    fn counters(&self) -> Sample {
        Sample {
            at: Instant::now(),
            packets: self.packets(),
            records: self.flows.extent().seen,
            lost: self.suppressed().values().sum(),
        }
    }

    pub(super) fn recent(&self) -> Recent {
        self.recent.until(&self.counters())
    }

    pub(super) fn about(&self) -> About {
        let hook = match self.writer.place() {
            Place::Tcx => "tcx",
            Place::Clsact => "clsact",
        };
        About {
            started: Some(self.started),
            kernel: features::release(),
            hook: hook.to_owned(),
            abi: enforcer_common::ABI_VERSION,
            daemonset: self.options.daemonset.as_ref().map(ToString::to_string),
        }
    }

    pub(super) fn source_status(&self) -> SourceStatus {
        let behind = self.source.behind().into_iter();
        SourceStatus {
            manifests: match &self.options.source {
                Origin::Manifests(path) => Some(path.clone()),
                Origin::Kubernetes(_) => None,
            },
            behind: behind
                .map(|(kind, since)| BehindStatus {
                    kind: kind.to_owned(),
                    since,
                })
                .collect(),
        }
    }

    pub(super) fn flow_status(&self) -> FlowStatus {
        let extent = self.flows.extent();
        FlowStatus {
            kept: extent.kept,
            limit: extent.limits.records,
            seen: extent.seen,
            begin: extent.begin,
        }
    }

    pub(super) fn cni_status(&self) -> Option<CniStatus> {
        let keeper = self.keeper.as_ref()?;
        Some(CniStatus {
            trouble: keeper.trouble(),
        })
    }

    /// Policies with mistakes.
    pub(super) fn refused_policies(&self) -> Vec<String> {
        let errors = self.problems.iter().filter(|problem| problem.is_error());
        let objects = errors.filter_map(|problem| problem.object.as_deref());
        let names = objects.filter_map(|object| object.strip_prefix("NetworkPolicy "));
        let mut names: Vec<String> = names.map(ToOwned::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(begin: Instant, seconds: u64, denied: u64) -> Sample {
        Sample {
            at: begin + Duration::from_secs(seconds),
            packets: [
                ("ingress/policy-denied".to_owned(), denied),
                ("ingress/allowed".to_owned(), 7 * denied),
            ]
            .into(),
            records: 2 * denied,
            lost: 0,
        }
    }

    #[test]
    fn what_came_in_the_last_minutes_is_the_difference_to_the_oldest_note() {
        let begin = Instant::now();
        let mut samples = Samples::default();
        assert_eq!(samples.until(&sample(begin, 9, 9)), Recent::default());
        for step in 0..100 {
            samples.note(sample(begin, 20 * step, step));
        }
        let recent = samples.until(&sample(begin, 2000, 100));
        assert!((300..340).contains(&recent.seconds), "{recent:?}");
        let denied = recent.drops["ingress/policy-denied"];
        assert_eq!(recent.seconds, 20 * denied);
        assert_eq!((recent.drops.len(), recent.records), (1, 2 * denied));
    }
}
