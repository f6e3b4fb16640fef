//! Long random churn: what a compiler keeps must depend on what is, not on what was.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use enforcer_common::abi::VerdictKey;
use enforcer_policy::compile::Compiler;
use enforcer_policy::model::{Change, Cluster};
use enforcer_policy::tables::Tables;

use super::churn::Random;
use super::drive::{Driver, Place};
use super::memory::resident;
use super::world::{Shape, Size};

/// How it went.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(super) struct Soak {
    /// Changes in all.
    pub(super) changes: usize,
    /// How often the tables were compared with those of a compiler that began anew.
    pub(super) checkpoints: usize,
    /// Verdicts that were compared.
    pub(super) verdicts: usize,
    /// Resident memory in MiB at each checkpoint, with the number of changes before it.
    pub(super) memory: Vec<(f64, f64)>,
}

/// What may be and may not be: which pods and policies are there.
struct State {
    pods: Vec<bool>,
    policies: Vec<bool>,
}

/// Lets a cluster change at random for so long. Fails when the tables say anything else than those of
/// a cold start, or when memory grows.
pub(super) fn soak(
    shape: &Shape,
    size: &Size,
    place: Place,
    (time, checkpoints): (Duration, usize),
) -> anyhow::Result<Soak> {
    let mut driver = Driver::start(place, size)?;
    driver.cold_start(shape, size)?;
    let mut random = Random::new(7);
    let more = size.pods / 10;
    let mut state = State {
        pods: (0..size.pods + more)
            .map(|number| number < size.pods)
            .collect(),
        policies: (0..size.policies + more)
            .map(|number| number < size.policies)
            .collect(),
    };
    let mut soak = Soak::default();
    for _ in 0..checkpoints {
        let until = Instant::now() + time / u32::try_from(checkpoints).unwrap_or(1);
        while Instant::now() < until {
            let change = any(shape, size, &mut state, &mut random)?;
            driver.apply(vec![change])?;
            soak.changes += 1;
        }
        soak.checkpoints += 1;
        soak.verdicts += compare(&driver.compiler, place)?;
        soak.memory.push((count(soak.changes), resident()?));
    }
    driver.finish()?;
    Ok(soak)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

/// A change at random: a pod comes, goes or gets another's labels; a policy comes or goes; a namespace
/// gets other labels.
fn any(
    shape: &Shape,
    size: &Size,
    state: &mut State,
    random: &mut Random,
) -> anyhow::Result<Change> {
    Ok(match random.below(20) {
        0..12 => {
            let number = random.below(state.pods.len());
            let (key, mut pod) = shape.pod(size, number);
            let is_there = state.pods[number];
            let goes = is_there && random.below(2) == 0;
            state.pods[number] = !goes;
            if goes {
                Change::Pod(key, None)
            } else {
                if is_there {
                    pod.labels = shape.pod(size, random.below(size.pods)).1.labels;
                }
                Change::Pod(key, Some(pod))
            }
        }
        12..18 => {
            let number = random.below(state.policies.len());
            let policy = shape.policy(size, number)?;
            state.policies[number] = !state.policies[number];
            let is_there = state.policies[number];
            Change::Policy(policy.key.clone(), is_there.then_some(policy))
        }
        _ => {
            let number = random.below(size.namespaces);
            let team = format!("{}", random.below(40));
            let more = [("team", team.as_str())];
            shape.namespace(size, number, &more)
        }
    })
}

/// Compares what tables say with what those of a cold compiler say: who is isolated, and every verdict
/// of every endpoint for every address and prefix. How many these were.
fn compare(compiler: &Compiler, place: Place) -> anyhow::Result<usize> {
    let mut cold = Compiler::new(place.scope(), place.capacity());
    cold.apply(Cluster::default().changes_to(compiler.cluster()));
    let (warm, cold) = (compiler.tables(), cold.tables());
    ensure!(
        warm.endpoints.keys().eq(cold.endpoints.keys()),
        "other endpoints than after a cold start"
    );
    for (key, one) in [
        ("addresses", [warm.addresses.len(), cold.addresses.len()]),
        ("prefixes", [warm.cidrs.len(), cold.cidrs.len()]),
        ("verdicts", [warm.verdicts.len(), cold.verdicts.len()]),
    ] {
        ensure!(
            one[0] == one[1],
            "{} {key}, and {} after a cold start",
            one[0],
            one[1]
        );
    }
    let mut verdicts = 0;
    for (pod, endpoint) in &warm.endpoints {
        let Some(other) = cold.endpoints.get(pod) else {
            continue;
        };
        for direction in 0..2 {
            let sets = [endpoint.sets[direction], other.sets[direction]];
            ensure!(
                (sets[0] == 0) == (sets[1] == 0),
                "{pod} is isolated in one of two tables"
            );
            if sets[0] != 0 {
                verdicts += compare_sets(warm, cold, sets)?;
            }
        }
    }
    Ok(verdicts)
}

fn compare_sets(warm: &Tables, cold: &Tables, sets: [u32; 2]) -> anyhow::Result<usize> {
    let said = |tables: &Tables, set, address: IpAddr| {
        let identity = tables.peer(address).identity;
        let own = tables.verdicts.get(&VerdictKey { set, identity });
        let any = || tables.verdicts.get(&VerdictKey { set, identity: 0 });
        own.or_else(any)
            .map(|verdict| (verdict.default_allow, tables.port_list(*verdict).to_vec()))
    };
    let mut compared = 0;
    let prefixes = cold.cidrs.keys().map(ipnet::IpNet::network);
    for address in cold.addresses.keys().copied().chain(prefixes) {
        let both = [said(warm, sets[0], address), said(cold, sets[1], address)];
        ensure!(
            both[0] == both[1],
            "other verdicts for {address} than after a cold start"
        );
        compared += 1;
    }
    Ok(compared)
}
