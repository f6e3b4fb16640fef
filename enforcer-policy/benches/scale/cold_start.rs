//! The time in which a compiler that knows of nothing takes a cluster in.

use std::time::Duration;

use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_testing::big::{self, Size};

use crate::objects;

const SIZE: Size = Size {
    nodes: 300,
    namespaces: 1_000,
    pods: 10_000,
    policies: 10_000,
    services: 2_000,
};

const RUNS: usize = 5;

/// How long this thread has run: another measure than the clock, because builds share their machines.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = text.split_whitespace().next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

/// The best of some runs, for one node and for a whole cluster.
pub(crate) fn report() {
    let scopes = [
        ("one node", Scope::Node(big::name_of_node(0))),
        ("all nodes", Scope::All),
    ];
    for (name, scope) in scopes {
        let times = (0..RUNS).map(|_| {
            let kinds = [
                objects::policies(&SIZE),
                objects::nodes(&SIZE),
                objects::namespaces(&SIZE),
                objects::pods(&SIZE),
                objects::services(&SIZE),
                objects::slices(&SIZE),
            ];
            let changes: Vec<_> = kinds.into_iter().flatten().collect();
            let mut compiler = Compiler::new(scope.clone(), Capacity::default());
            let start = on_cpu();
            let ops = compiler.apply(changes);
            let time = on_cpu().saturating_sub(start);
            drop(ops);
            time
        });
        if let Some(best) = times.min() {
            println!("cold start, {name}: {best:?}");
        }
    }
}
