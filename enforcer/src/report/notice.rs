//! Which Events are due: pure, so that limits can be tested without a server.
//!
//! What counts is what was last told of an object, not what happened meanwhile: a pod that flaps
//! gets few Events, and the last of them is true.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use enforcer_policy::model::PodKey;

use super::bucket::Bucket;
use super::name::shortened;
use super::observed::PolicyName;
use super::wanted::Content;

/// How often an object gets an Event of the same reason, at most.
pub(super) const PAUSE: Duration = Duration::from_secs(10 * 60);

/// Longest text of an Event, in bytes.
const LONGEST_NOTE: usize = 1024;

/// The object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Regarding {
    /// A NetworkPolicy, by name and uid.
    Policy(PolicyName, Box<str>),
    /// The contents of the NetworkPolicy of this name.
    Contents(PolicyName),
    /// A pod.
    Pod(PodKey),
}

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// What decides whether it is the same complaint as before.
    pub sign: String,
    /// For people.
    pub note: String,
}

/// An Event to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// About what.
    pub regarding: Regarding,
    /// What is wrong; `None` when it is mended.
    pub complaint: Option<Complaint>,
}

impl Notice {
    /// The reason, as Events have it.
    pub(super) const fn reason(&self) -> &'static str {
        match (&self.regarding, &self.complaint) {
            (Regarding::Contents(_), Some(_)) => "Refused",
            (Regarding::Contents(_), None) => "Accepted",
            (_, Some(_)) => "NotEnforced",
            (_, None) => "Enforced",
        }
    }
}

/// What was told of objects.
#[derive(Debug, Default)]
pub(super) struct Notices {
    told: BTreeMap<Regarding, Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// The sign of the last complaint, unless it was mended.
    sign: Option<String>,
    complained: Option<Instant>,
    praised: Option<Instant>,
}

/// What is wrong with policies and pods, given what the objects of `node` say.
pub(super) fn complaints<'a>(
    node: &str,
    contents: impl IntoIterator<Item = (&'a PolicyName, &'a Content)>,
) -> BTreeMap<Regarding, Complaint> {
    let mut complaints = BTreeMap::new();
    for (name, content) in contents {
        if content.not_enforced.is_empty() {
            continue;
        }
        let signs: Vec<String> = content
            .not_enforced
            .iter()
            .map(|pod| format!("{}: {}", pod.pod, pod.reason))
            .collect();
        let sign = signs.join("; ");
        let note = format!(
            "not enforced on node {node} for {} of {} pods: {sign}",
            content.not_enforced_count, content.pods
        );
        let note = shortened(&note, LONGEST_NOTE);
        let regarding = Regarding::Policy(name.clone(), content.version.uid.clone());
        complaints.insert(regarding, Complaint { sign, note });
        for pod in &content.not_enforced {
            let regarding = Regarding::Pod(PodKey {
                namespace: name.namespace.as_str().into(),
                name: pod.pod.as_str().into(),
            });
            let note = format!(
                "NetworkPolicy {} and others that select this pod do not hold for it, or not for all of \
                 its traffic: {}",
                name.name, pod.reason
            );
            complaints.entry(regarding).or_insert_with(|| Complaint {
                sign: pod.reason.clone(),
                note: shortened(&note, LONGEST_NOTE),
            });
        }
    }
    complaints
}

/// What is wrong with policies that are refused.
pub(super) fn refusals(
    refused: &BTreeMap<PolicyName, String>,
) -> impl Iterator<Item = (Regarding, Complaint)> {
    refused.iter().map(|(name, why)| {
        let note =
            format!("refused, so that an earlier version stays in force if there was one: {why}");
        let complaint = Complaint {
            sign: why.clone(),
            note: shortened(&note, LONGEST_NOTE),
        };
        (Regarding::Contents(name.clone()), complaint)
    })
}

impl Notices {
    /// Takes complaints for told that an earlier daemon of this node made.
    pub(super) fn adopt(&mut self, complaints: BTreeMap<Regarding, Complaint>) {
        for (regarding, complaint) in complaints {
            self.told.entry(regarding).or_insert(Told {
                sign: Some(complaint.sign),
                ..Told::default()
            });
        }
    }

    /// The Events that are due now, each with a token from `bucket`, and when to ask again. `fine`
    /// says whether all is well with an object that was complained about; where it does not and
    /// there is no complaint either, there is nothing to say any more.
    pub(super) fn due(
        &mut self,
        complaints: &BTreeMap<Regarding, Complaint>,
        fine: impl Fn(&Regarding) -> bool,
        bucket: &mut Bucket,
        now: Instant,
    ) -> (Vec<Notice>, Option<Instant>) {
        let mut notices = Vec::new();
        let mut due: Option<Instant> = None;
        self.forget(complaints, fine, now);
        let praise = self
            .told
            .iter()
            .filter(|(regarding, told)| told.sign.is_some() && !complaints.contains_key(regarding))
            .map(|(regarding, _)| (regarding, None));
        let complain = complaints.iter().map(|(key, value)| (key, Some(value)));
        for (regarding, complaint) in complain.chain(praise) {
            let told = self.told.get(regarding);
            if told.is_some_and(|told| told.sign.as_ref() == complaint.map(|new| &new.sign)) {
                continue;
            }
            let last = told.and_then(|told| match complaint {
                Some(_) => told.complained,
                None => told.praised,
            });
            let wait = match last {
                Some(last) if last + PAUSE > now => Err(last + PAUSE),
                _ => bucket.take(now).map_err(|wait| now + wait),
            };
            match wait {
                Ok(()) => notices.push(Notice {
                    regarding: regarding.clone(),
                    complaint: complaint.cloned(),
                }),
                Err(time) => due = Some(due.map_or(time, |other| other.min(time))),
            }
        }
        (notices, due)
    }

    /// A notice was told, or nobody can be told.
    pub(super) fn told(&mut self, notice: &Notice, now: Instant) {
        let told = self.told.entry(notice.regarding.clone()).or_default();
        told.sign = notice.complaint.as_ref().map(|new| new.sign.clone());
        match notice.complaint {
            Some(_) => told.complained = Some(now),
            None => told.praised = Some(now),
        }
    }

    /// Forgets what cannot matter any more.
    fn forget(
        &mut self,
        complaints: &BTreeMap<Regarding, Complaint>,
        fine: impl Fn(&Regarding) -> bool,
        now: Instant,
    ) {
        self.told.retain(|regarding, told| {
            if complaints.contains_key(regarding) {
                return true;
            }
            let recent = |time: Option<Instant>| time.is_some_and(|time| time + PAUSE > now);
            if told.sign.is_some() && fine(regarding) {
                return true;
            }
            // What was said is void, but not how often.
            told.sign = None;
            recent(told.complained) || recent(told.praised)
        });
    }
}

#[cfg(test)]
mod tests;
