//! Changes of a cluster, one at a time.

use enforcer_policy::model::{Change, PodKey};

use super::world::{HERE, Shape, ShapeError, Size};

/// What happens to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A pod has come to the node.
    PodHere,
    /// A pod has come to another node.
    PodElsewhere,
    /// A pod of the node has other labels.
    RelabelHere,
    /// A pod of another node has other labels.
    RelabelElsewhere,
    /// A pod of the node has gone.
    GoneHere,
    /// A pod of another node has gone.
    GoneElsewhere,
    /// A policy has come.
    Policy,
    /// A policy has gone.
    PolicyGone,
    /// A namespace has another label.
    Namespace,
}

impl Event {
    /// All of them.
    pub(super) const ALL: [Self; 9] = [
        Self::PodHere,
        Self::PodElsewhere,
        Self::RelabelHere,
        Self::RelabelElsewhere,
        Self::GoneHere,
        Self::GoneElsewhere,
        Self::Policy,
        Self::PolicyGone,
        Self::Namespace,
    ];

    /// What reports call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PodHere => "pod added here",
            Self::PodElsewhere => "pod added elsewhere",
            Self::RelabelHere => "pod relabelled here",
            Self::RelabelElsewhere => "pod relabelled elsewhere",
            Self::GoneHere => "pod removed here",
            Self::GoneElsewhere => "pod removed elsewhere",
            Self::Policy => "policy added",
            Self::PolicyGone => "policy removed",
            Self::Namespace => "namespace relabelled",
        }
    }
}

/// Random numbers that are the same in every run.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or(0) % end
    }
}

/// What happens in one round: pods come, change and go, here and elsewhere, a policy comes and goes,
/// a namespace changes and changes back. Afterwards the cluster is as it was.
pub(super) fn round(
    shape: &Shape,
    size: &Size,
    number: usize,
    random: &mut Random,
) -> Result<Vec<(Event, Change)>, ShapeError> {
    let mut events = Vec::new();
    let new = size.pods + 2 * number;
    let places = [
        (
            new,
            HERE,
            [Event::PodHere, Event::RelabelHere, Event::GoneHere],
        ),
        (
            new + 1,
            "node-1",
            [
                Event::PodElsewhere,
                Event::RelabelElsewhere,
                Event::GoneElsewhere,
            ],
        ),
    ];
    for (new, node, [added, relabelled, gone]) in places {
        let (key, pod) = shape.pod_at(size, new, node);
        events.push((added, Change::Pod(key.clone(), Some(pod))));
        let other = random.below(size.pods);
        events.push((relabelled, relabel(shape, size, (&key, new), other, node)));
        events.push((gone, Change::Pod(key, None)));
    }
    let old = if number.is_multiple_of(2) && size.local > 0 {
        random.below(size.local.min(size.pods))
    } else {
        random.below(size.pods)
    };
    let (key, pod) = shape.pod(size, old);
    let node = pod.node.as_deref().unwrap_or_default().to_owned();
    let event = if old < size.local {
        Event::RelabelHere
    } else {
        Event::RelabelElsewhere
    };
    let other = random.below(size.pods);
    events.push((event, relabel(shape, size, (&key, old), other, &node)));
    events.push((event, Change::Pod(key, Some(pod))));

    let policy = shape.policy(size, size.policies + number)?;
    events.push((
        Event::Policy,
        Change::Policy(policy.key.clone(), Some(policy.clone())),
    ));
    events.push((Event::PolicyGone, Change::Policy(policy.key.clone(), None)));

    let namespace = random.below(size.namespaces);
    let more = [("team", "other"), ("quarantine", "yes")];
    events.push((Event::Namespace, shape.namespace(size, namespace, &more)));
    events.push((Event::Namespace, shape.namespace(size, namespace, &[])));
    Ok(events)
}

/// A pod with the labels of another.
fn relabel(
    shape: &Shape,
    size: &Size,
    (key, number): (&PodKey, usize),
    other: usize,
    node: &str,
) -> Change {
    let (_, mut pod) = shape.pod_at(size, number, node);
    pod.labels = shape.pod(size, other).1.labels;
    Change::Pod(key.clone(), Some(pod))
}
