//! The reasons agree with the oracle: same verdict, same isolating policies, and the rule that is
//! named belongs to a policy that allows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use enforcer_common::abi::Direction;
use enforcer_policy::explain::{Explanation, PeerIdentity, PeerSide, explain};
use enforcer_policy::model::Cluster;
use enforcer_policy::oracle::{Part, Question};
use enforcer_testing::generate;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{address_of, model};

/// The explanation of one end; `None` when that end is no pod.
fn explained(cluster: &Cluster, direction: Direction, question: &Question) -> Option<Explanation> {
    let from = address_of(&question.from)?;
    let to = address_of(&question.to)?;
    let (own, other) = match direction {
        Direction::Ingress => (to, from),
        Direction::Egress => (from, to),
    };
    let (pod, _) = cluster.pod_by_address(own)?;
    let identity = match (
        cluster.pod_by_address(other),
        cluster.node_by_address(other),
    ) {
        (Some((key, _)), _) => PeerIdentity::Pod(key.clone()),
        (None, Some((name, _))) => PeerIdentity::Node(name.to_owned()),
        (None, None) => PeerIdentity::Outside,
    };
    let peer = PeerSide {
        identity,
        address: Some(other),
    };
    let (protocol, port) = (question.protocol, question.port);
    Some(explain(cluster, pod, direction, &peer, protocol, port))
}

fn agrees(part: &Part, explanation: Option<&Explanation>) -> bool {
    let Some(explanation) = explanation else {
        return *part == Part::NotApplicable;
    };
    let names = |explanation: &Explanation| {
        let isolating = explanation.isolating.iter();
        isolating.map(ToString::to_string).collect::<Vec<_>>()
    };
    match part {
        Part::NotApplicable => false,
        // Exceptions are not in the words of any policy.
        Part::OwnPod | Part::OwnNode => true,
        Part::NotIsolated => *explanation == Explanation::default(),
        Part::Allowed { by } => {
            let rule = explanation.allowed_by.as_ref();
            rule.is_some_and(|rule| by.contains(&rule.policy.to_string()))
                && explanation.allowed()
                && explanation.nearest.is_none()
        }
        Part::Denied { isolating } => {
            let mut isolating = isolating.clone();
            isolating.sort();
            let nearest = explanation.nearest.as_ref();
            !explanation.allowed()
                && explanation.allowed_by.is_none()
                && names(explanation) == isolating
                && nearest.is_none_or(|nearest| !nearest.lacks.is_empty())
        }
    }
}

#[test]
fn the_reasons_of_random_clusters_agree_with_the_oracle() {
    let mut runner = TestRunner::new(Config::with_cases(128));
    let case = (generate::objects(), any::<usize>());
    let mut decided = 0;
    let counter = std::cell::RefCell::new(&mut decided);
    let result = runner.run(&case, |(objects, seed)| {
        let cluster = model(&objects);
        for question in generate::sample(generate::by_address(&objects), 300, seed) {
            let answer = objects.ask(&question).unwrap();
            for (direction, part) in [
                (Direction::Egress, &answer.egress),
                (Direction::Ingress, &answer.ingress),
            ] {
                let explanation = explained(&cluster, direction, &question);
                prop_assert!(
                    agrees(part, explanation.as_ref()),
                    "{direction:?} of {question:?}: {part:?}, but {explanation:?}"
                );
                if matches!(part, Part::Allowed { .. } | Part::Denied { .. }) {
                    **counter.borrow_mut() += 1;
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(decided > 1000, "policies decided only {decided} times");
}
