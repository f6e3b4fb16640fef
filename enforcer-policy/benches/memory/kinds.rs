//! Bytes by kind of object.

use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Change, Cluster};
use enforcer_testing::big::{self, Size};

use crate::HEAP;
use crate::objects;

const SIZE: Size = Size {
    nodes: 300,
    namespaces: 2_000,
    pods: 15_000,
    policies: 2_000,
    services: 3_000,
};

type Make = fn(&Size) -> Vec<Change>;

/// The kinds in the order in which they are taken in.
const KINDS: [(&str, Make); 6] = [
    ("nodes", objects::nodes),
    ("namespaces", objects::namespaces),
    ("pods", objects::pods),
    ("services", objects::services),
    ("slices", objects::slices),
    ("policies", objects::policies),
];

fn used() -> usize {
    HEAP.current_usage()
}

/// The bytes that stay after something was done.
fn kept(work: impl FnOnce()) -> isize {
    let before = used();
    work();
    used().cast_signed() - before.cast_signed()
}

/// For each kind: what its objects are in a model, what they make of a compiler that already has the
/// kinds above (its own model, indexes, tables), and the most that it needed meanwhile.
pub(crate) fn report() {
    println!(
        "{:12} {:>12} {:>12} {:>12}",
        "bytes", "model", "compiler", "peak"
    );
    let mut cluster = Cluster::default();
    let mut compiler = Compiler::new(Scope::Node(big::name_of_node(0)), Capacity::default());
    let mut sums = [0; 2];
    for (kind, make) in KINDS {
        let model = kept(|| {
            for change in make(&SIZE) {
                cluster.apply(change);
            }
        });
        let before = used();
        let mut peak = 0;
        let all = kept(|| {
            let changes = make(&SIZE);
            HEAP.reset_peak_usage();
            drop(compiler.apply(changes));
            peak = HEAP.peak_usage() - before;
        });
        println!("{kind:12} {model:>12} {all:>12} {peak:>12}");
        sums = [sums[0] + model, sums[1] + all];
    }
    println!("{:12} {:>12} {:>12}", "sum", sums[0], sums[1]);
    println!("{:?}", compiler.stats());
}
