//! After every single write, each connection has the verdict from before or from after.
//!
//! Of a batch, policies come first, then namespaces, then nodes and pods. In that last part each
//! address and each endpoint changes by one write: a connection between two pods that both change
//! may see one of them changed before the other, as if they had changed one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use enforcer_common::abi::{Direction, Endpoint};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Change, Cluster, PodKey};
use enforcer_policy::tables::{Op, Tables};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::generate::{address, change};
use crate::lookup::{allowed, is_own, probes, verdict};
use crate::meaning;

/// What happens to a node.
#[derive(Clone, Debug)]
enum Step {
    /// Objects change, all at once.
    Objects(Vec<Change>),
    /// The node's own addresses change.
    Local(BTreeSet<IpAddr>),
}

fn step(most: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(change(), 1..=most).prop_map(Step::Objects),
        1 => btree_set(address(), 0..=2).prop_map(Step::Local),
    ]
}

/// A cluster and the addresses of the node that is looked at.
#[derive(Clone, Default)]
struct World {
    cluster: Cluster,
    local: BTreeSet<IpAddr>,
}

/// Everything as it is at one moment, but for one pod, which may be ahead or behind.
struct View<'a> {
    world: &'a World,
    pod: Option<&'a enforcer_policy::model::Pod>,
}

impl View<'_> {
    /// The verdicts of a pod's endpoint; none when the pod is no endpoint then.
    fn verdicts(&self, key: &PodKey) -> Option<Vec<bool>> {
        let pod = self.pod?;
        if !pod.is_selectable() || pod.addresses.is_empty() {
            return None;
        }
        let mut cluster = self.world.cluster.clone();
        cluster.pods.insert(key.clone(), pod.clone());
        let verdict = |probe| meaning::allowed_on(&cluster, &self.world.local, probe);
        Some(probes(key).map(verdict).collect())
    }
}

/// The worlds that one sees on the way.
struct Way {
    stages: Vec<World>,
}

impl Way {
    fn new(before: &World, step: &Step) -> Self {
        let mut stages = vec![before.clone()];
        let mut world = before.clone();
        match step {
            Step::Local(addresses) => {
                world.local.clone_from(addresses);
                stages.push(world);
            }
            Step::Objects(changes) => {
                for part in [is_policy as fn(&Change) -> bool, is_namespace, is_other] {
                    for change in changes.iter().filter(|change| part(change)) {
                        world.cluster.apply(change.clone());
                    }
                    stages.push(world.clone());
                }
            }
        }
        Self { stages }
    }

    fn end(&self) -> &World {
        self.stages.last().unwrap()
    }

    /// What may be seen at a pod's endpoint.
    fn visible(&self, key: &PodKey) -> Vec<Vec<bool>> {
        let own = |world: &World| world.cluster.pods.get(key).cloned();
        let last_two = &self.stages[self.stages.len() - 2..];
        let alone = self.stages.iter().map(|world| (world, own(world)));
        let crossed = last_two
            .iter()
            .flat_map(|world| last_two.iter().map(move |other| (world, own(other))));
        alone
            .chain(crossed)
            .filter_map(|(world, pod)| {
                let pod = pod.as_ref();
                View { world, pod }.verdicts(key)
            })
            .collect()
    }
}

fn is_policy(change: &Change) -> bool {
    matches!(change, Change::Policy(..))
}

fn is_namespace(change: &Change) -> bool {
    matches!(change, Change::Namespace(..))
}

fn is_other(change: &Change) -> bool {
    !is_policy(change) && !is_namespace(change)
}

fn take(compiler: &mut Compiler, step: &Step) -> Vec<Op> {
    match step {
        Step::Objects(changes) => compiler.apply(changes.clone()),
        Step::Local(addresses) => compiler.set_local_addresses(addresses.clone()),
    }
}

fn denies_all(endpoint: &Endpoint) -> bool {
    endpoint.flags & Endpoint::DENY_ALL != 0
}

/// Takes a step and asks after each write. `tight`: there may be no room on the way, and who lacks it
/// denies everything.
fn assert_ordered(
    compiler: &mut Compiler,
    before: &World,
    step: &Step,
    tight: bool,
) -> Result<World, TestCaseError> {
    let way = Way::new(before, step);
    let mut tables = compiler.tables().clone();
    let mut visible: BTreeMap<PodKey, Vec<Vec<bool>>> = BTreeMap::new();
    for op in take(compiler, step) {
        tables.apply(&op);
        for (pod, endpoint) in &tables.endpoints {
            if tight && denies_all(endpoint) {
                continue;
            }
            let seen = visible
                .entry(pod.clone())
                .or_insert_with(|| way.visible(pod));
            for (index, probe) in probes(pod).enumerate() {
                let now = allowed(&tables, endpoint, probe);
                // An own node's address for which there is no room is not known as one.
                let fine = seen.iter().any(|verdicts| verdicts[index] == now) || (tight && !now);
                prop_assert!(fine, "{:?} is {} after {:?}", probe, now, op);
            }
        }
    }
    prop_assert_eq!(&tables, compiler.tables());
    Ok(way.end().clone())
}

/// What a flow may have been granted.
#[derive(Clone, Copy, Default)]
struct Granted {
    /// It was allowed.
    allowed: bool,
    /// It was allowed for good, and not deferred.
    finally: bool,
}

/// What was granted under each revision of each endpoint: flows that may be established.
#[derive(Default)]
struct Established(BTreeMap<(u32, Direction, u32), Vec<Granted>>);

impl Established {
    /// Asserts that what was ever allowed under a revision is allowed as long as that lasts, for
    /// nobody asks the policies about such a flow, nor begins to defer it. An endpoint that denies
    /// everything asks no flow.
    fn look_at(&mut self, tables: &Tables) -> Result<(), TestCaseError> {
        for (pod, endpoint) in tables.endpoints.iter().filter(|(_, it)| !denies_all(it)) {
            for direction in Direction::ALL {
                let mine: Vec<_> = probes(pod).filter(|it| it.direction == direction).collect();
                let revision = endpoint.revisions[direction.index()];
                let known = self.0.entry((endpoint.id, direction, revision));
                let known = known.or_insert_with(|| vec![Granted::default(); mine.len()]);
                for (was, probe) in known.iter_mut().zip(mine) {
                    let is = verdict(tables, endpoint, probe);
                    let fine = is.allowed || !was.allowed;
                    prop_assert!(fine, "{:?} was allowed at {}", probe, revision);
                    // Where nothing isolates it, what is deferred is allowed all the same.
                    let isolated = endpoint.isolated(direction);
                    let fine = !(is.deferred && was.finally && isolated);
                    prop_assert!(fine, "{:?} was not deferred at {}", probe, revision);
                    // For what a pod sends to itself no flow is kept.
                    if !is_own(endpoint, probe) {
                        was.allowed |= is.allowed;
                        was.finally |= isolated && is.allowed && !is.deferred;
                    }
                }
            }
        }
        Ok(())
    }
}

fn assert_history(
    capacity: Capacity,
    start: Vec<Change>,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let tight = capacity != Capacity::default();
    let mut compiler = Compiler::new(Scope::All, capacity);
    let mut world = World::default();
    for change in &start {
        world.cluster.apply(change.clone());
    }
    compiler.apply(start);
    let mut established = Established::default();
    established.look_at(compiler.tables())?;
    for step in steps {
        world = assert_ordered(&mut compiler, &world, &step, tight)?;
        established.look_at(compiler.tables())?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_write_shows_the_old_or_the_new_verdict(
        start in vec(change(), 5..25),
        steps in vec(step(1), 1..6),
    ) {
        assert_history(Capacity::default(), start, steps)?;
    }

    #[test]
    fn every_write_of_a_batch_shows_a_verdict_of_its_parts(
        start in vec(change(), 5..25),
        steps in vec(step(6), 1..4),
    ) {
        assert_history(Capacity::default(), start, steps)?;
    }

    #[test]
    fn where_room_is_short_no_write_allows_what_neither_before_nor_after_does(
        capacity in crate::capacity::small(),
        start in vec(change(), 5..25),
        steps in vec(step(3), 1..5),
    ) {
        assert_history(capacity, start, steps)?;
    }
}
