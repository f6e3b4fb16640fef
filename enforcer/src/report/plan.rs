//! What to write, given what is written: pure, so that limits can be tested without a server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::object::{PolicyEnforcement, PolicyReference, State, Status};
use super::observed::PolicyName;
use super::wanted::{Content, Wanted, Wish};

/// How often an object is written at most when only numbers changed.
pub(super) const NUMBERS: Duration = Duration::from_secs(60);

/// How long an object that was refused is left alone.
const REFUSED: Duration = Duration::from_secs(60);

/// What is known of the objects of this node at the API server.
#[derive(Debug, Default)]
pub(super) struct Plan {
    known: BTreeMap<PolicyName, Known>,
    /// Objects that the API server refused, and when to try again.
    refused: BTreeMap<PolicyName, Instant>,
}

#[derive(Debug)]
struct Known {
    content: Content,
    since: Timestamp,
    written: Instant,
}

/// One thing to do at the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make an object, or change it.
    Write(PolicyName, Content, Timestamp),
    /// Delete an object.
    Delete(PolicyName),
}

/// What there is to do, and when to look again if nothing changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// Now, what is worst first.
    pub now: Vec<Action>,
    /// Later.
    pub due: Option<Instant>,
}

impl Plan {
    /// Takes an object for known that the API server has. `None` when it is not one that the daemon
    /// of `node` could have written: it is to be deleted.
    pub(super) fn adopt(
        &mut self,
        object: &PolicyEnforcement,
        node: &str,
        now: Instant,
    ) -> Option<()> {
        let spec = &object.spec;
        let metadata = &object.metadata;
        let status = object.status.clone();
        let name = PolicyName {
            namespace: metadata.namespace.clone()?,
            name: spec.policy.name.clone(),
        };
        let made = PolicyEnforcement::new(&name.namespace, spec.policy.clone(), node, status);
        let same = made.spec == *spec
            && made.metadata.name == metadata.name
            && made.metadata.owner_references == metadata.owner_references
            && made.metadata.labels == metadata.labels;
        let (content, since) = read(&spec.policy, &object.status)?;
        if !same {
            return None;
        }
        let known = Known {
            content,
            since,
            written: now,
        };
        self.known.insert(name, known);
        Some(())
    }

    /// Forgets everything that was known.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.refused.clear();
    }

    /// What the objects say, as far as is known.
    pub(super) fn said(&self) -> impl Iterator<Item = (&PolicyName, &Content)> {
        self.known
            .iter()
            .map(|(name, known)| (name, &known.content))
    }

    /// What there is to do for the objects to say what is wanted. `time` is `now` on the clock.
    pub(super) fn steps(&self, wanted: &Wanted, now: Instant, time: Timestamp) -> Steps {
        let mut steps = Steps::default();
        for (name, wish) in wanted {
            let Wish::Say(content) = wish else { continue };
            let known = self.known.get(name);
            if let Some(until) = self.refused.get(name)
                && *until > now
            {
                steps.look_again(*until);
                continue;
            }
            if let Some(known) = known
                && !known.differs_much(content)
            {
                let due = known.written + NUMBERS;
                if known.content == *content {
                    continue;
                }
                if due > now {
                    steps.look_again(due);
                    continue;
                }
            }
            let since = match known {
                Some(known) if known.same_story(content) => known.since,
                _ => time,
            };
            let action = Action::Write(name.clone(), content.clone(), since);
            steps.now.push(action);
        }
        let gone = self.known.keys().filter(|name| !wanted.contains_key(name));
        steps.now.extend(gone.cloned().map(Action::Delete));
        steps.now.sort_by_key(Action::urgency);
        steps
    }

    /// Whether an object that is known has to go before this one can be made: it is about another
    /// policy of the name, and no object ever changes what it is about.
    pub(super) fn is_in_the_way(&self, name: &PolicyName, content: &Content) -> bool {
        let known = self.known.get(name);
        known.is_some_and(|known| known.content.version.uid != content.version.uid)
    }

    /// The API server refuses this object; others may be well. A deletion that it refuses is
    /// left to the next daemon, or to the garbage collector.
    pub(super) fn refused(&mut self, action: &Action, now: Instant) {
        match action {
            Action::Delete(name) => drop(self.known.remove(name)),
            Action::Write(name, ..) => drop(self.refused.insert(name.clone(), now + REFUSED)),
        }
    }

    /// An action was done.
    pub(super) fn done(&mut self, action: &Action, now: Instant) {
        self.refused.retain(|_, until| *until > now);
        match action {
            Action::Delete(name) => drop(self.known.remove(name)),
            Action::Write(name, content, since) => {
                let known = Known {
                    content: content.clone(),
                    since: *since,
                    written: now,
                };
                self.known.insert(name.clone(), known);
            }
        }
    }
}

impl Steps {
    fn look_again(&mut self, time: Instant) {
        self.due = Some(self.due.map_or(time, |other| other.min(time)));
    }
}

impl Known {
    /// Whether more than numbers and the daemon's version are new.
    fn differs_much(&self, content: &Content) -> bool {
        let with_the_same_numbers = Content {
            pods: self.content.pods,
            not_enforced_count: self.content.not_enforced_count,
            daemon: self.content.daemon.clone(),
            ..content.clone()
        };
        with_the_same_numbers != self.content
    }

    /// Whether `since` goes on: the same policy in the same state.
    fn same_story(&self, content: &Content) -> bool {
        let known = &self.content;
        (&known.version.uid, known.state) == (&content.version.uid, content.state)
    }
}

impl Action {
    /// What is not enforced is told before what is, and deletions come last.
    fn urgency(&self) -> u8 {
        match self {
            Self::Write(_, content, _) => match content.state {
                State::NotEnforced => 0,
                State::Partly => 1,
                State::Audit | State::Enforced => 2,
            },
            Self::Delete(_) => 3,
        }
    }
}

fn read(policy: &PolicyReference, status: &Status) -> Option<(Content, Timestamp)> {
    let content = Content {
        version: enforcer_policy::rule::ObjectVersion {
            uid: policy.uid.as_str().into(),
            generation: status.observed_generation,
        },
        state: status.state,
        pods: status.pods,
        not_enforced: status.not_enforced.clone(),
        not_enforced_count: status.not_enforced_count,
        daemon: status.daemon_version.clone(),
    };
    Some((content, status.since.parse().ok()?))
}

/// The object with this content.
pub(super) fn object(
    name: &PolicyName,
    node: &str,
    content: &Content,
    since: Timestamp,
) -> PolicyEnforcement {
    let policy = PolicyReference {
        name: name.name.clone(),
        uid: content.version.uid.to_string(),
    };
    let status = Status {
        state: content.state,
        // Whole seconds, as Kubernetes writes times.
        since: Timestamp::from_second(since.as_second())
            .unwrap_or(since)
            .to_string(),
        pods: content.pods,
        not_enforced: content.not_enforced.clone(),
        not_enforced_count: content.not_enforced_count,
        observed_generation: content.version.generation,
        daemon_version: content.daemon.clone(),
    };
    PolicyEnforcement::new(&name.namespace, policy, node, status)
}

#[cfg(test)]
mod tests;
