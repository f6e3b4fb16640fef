//! Who does what has to be done once: every daemon computes the same answer from the same nodes, so
//! that nobody leads and nobody asks.

use super::hash::hash;

/// How many nodes come before `me` in the order in which nodes are to see to `task`. Another task
/// has another order.
pub fn rank<'a>(task: &str, me: &str, nodes: impl IntoIterator<Item = &'a String>) -> usize {
    let weight = |node: &str| hash(&[task, node]);
    let mine = (weight(me), me);
    nodes
        .into_iter()
        .filter(|node| *node != me && (weight(node), node.as_str()) < mine)
        .count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::rank;

    fn nodes(count: usize) -> BTreeSet<String> {
        (0..count).map(|n| format!("worker-{n}")).collect()
    }

    #[test]
    fn every_rank_is_held_by_one_node() {
        let nodes = nodes(50);
        let ranks: BTreeSet<usize> = nodes.iter().map(|me| rank("t", me, &nodes)).collect();
        assert_eq!(ranks, (0..50).collect());
    }

    #[test]
    fn tasks_are_spread_over_the_nodes() {
        let nodes = nodes(10);
        for me in &nodes {
            let won = (0..1000).filter(|task| rank(&task.to_string(), me, &nodes) == 0);
            let won = won.count();
            assert!((50..200).contains(&won), "{me} does {won} of 1000 tasks");
        }
    }

    #[test]
    fn a_node_that_goes_takes_no_other_out_of_its_place_before_it() {
        let all = nodes(10);
        let gone = all.iter().find(|me| rank("t", me, &all) == 5).unwrap();
        let left: BTreeSet<String> = all.iter().filter(|node| *node != gone).cloned().collect();
        for me in &left {
            let before = rank("t", me, &all);
            let after = rank("t", me, &left);
            assert_eq!(after, before - usize::from(before > 5));
        }
    }
}
