//! The compiled tables agree with the oracle.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::RefCell;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_common::abi::address::NO_NODE;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Cluster, PodKey};
use enforcer_policy::oracle::{Objects, Part, Question, Side};
use enforcer_policy::tables::Tables;
use enforcer_testing::coverage::{Coverage, observe};
use enforcer_testing::generate;
use enforcer_testing::scenario::{self, Check};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{address_of, model};

/// Questions of each cluster, and how many of them are looked at closely.
const QUESTIONS: usize = 400;
const OBSERVED: usize = 20;

fn compiler() -> Compiler {
    Compiler::new(Scope::All, Capacity::default())
}

fn compiled(objects: &Objects) -> Compiler {
    let mut compiler = compiler();
    compiler.apply(Compiler::cluster(&compiler).changes_to(&model(objects)));
    compiler
}

/// What the tables say about a packet between two addresses, with every pod an endpoint: egress at
/// the source and ingress at the destination.
fn asked_of_tables(tables: &Tables, cluster: &Cluster, question: &Question) -> (bool, bool) {
    let from = address_of(&question.from).unwrap();
    let to = address_of(&question.to).unwrap();
    let end = |direction, own: IpAddr, peer: IpAddr| match cluster.pod_by_address(own) {
        None => true,
        Some((key, _)) => at_endpoint(tables, cluster, key, direction, peer, question),
    };
    (
        end(Direction::Egress, from, to),
        end(Direction::Ingress, to, from),
    )
}

fn at_endpoint(
    tables: &Tables,
    cluster: &Cluster,
    key: &PodKey,
    direction: Direction,
    peer: IpAddr,
    question: &Question,
) -> bool {
    let endpoint = &tables.endpoints[key];
    let found = tables.peer(peer);
    let own_pod = cluster.pods[key].addresses.contains(&peer);
    let own_node = endpoint.node != NO_NODE && found.node == endpoint.node;
    own_pod
        || own_node
        || tables.allows(
            endpoint.sets[direction.index()],
            found.identity,
            question.protocol,
            question.port,
        )
}

/// Whether several pods claim an end of the connection. Who it is then is nobody's to know: the
/// oracle takes the first by name, the compiler allows what is allowed to all of them.
fn is_contested(compiler: &Compiler, question: &Question) -> bool {
    [&question.from, &question.to].into_iter().any(|side| {
        let address = address_of(side).unwrap();
        let pods = compiler.cluster().pods.values();
        let claims = pods.filter(|pod| pod.is_selectable() && pod.addresses.contains(&address));
        claims.count() > 1
    })
}

/// Egress and ingress by the oracle and by the tables.
fn disagreement(compiler: &Compiler, objects: &Objects, question: &Question) -> Option<String> {
    let answer = objects.ask(question).unwrap();
    let expected = (answer.egress.allowed(), answer.ingress.allowed());
    let found = asked_of_tables(compiler.tables(), compiler.cluster(), question);
    (found != expected).then(|| format!("{question:?}: tables say {found:?}, {answer:?}"))
}

fn agree(
    compiler: &Compiler,
    objects: &Objects,
    questions: &[Question],
) -> Result<(), TestCaseError> {
    for question in questions.iter().filter(|q| !is_contested(compiler, q)) {
        if let Some(text) = disagreement(compiler, objects, question) {
            return Err(TestCaseError::fail(text));
        }
    }
    Ok(())
}

/// Some questions of all kinds, and some that a rule allows.
fn look_closely(coverage: &mut Coverage, objects: &Objects, questions: &[Question]) {
    let by_rule = |question: &&Question| {
        let answer = objects.ask(question).unwrap();
        let allowed = |part: &Part| matches!(part, Part::Allowed { .. });
        allowed(&answer.egress) || allowed(&answer.ingress)
    };
    let some = questions.iter().step_by(QUESTIONS / OBSERVED);
    let allowed = questions.iter().filter(by_rule).take(2 * OBSERVED);
    for question in some.chain(allowed) {
        let answer = objects.ask(question).unwrap();
        observe(coverage, objects, question, &answer);
    }
}

#[test]
fn the_tables_of_random_clusters_agree_with_the_oracle() {
    let coverage = RefCell::new(Coverage::new());
    let mut runner = TestRunner::new(Config::with_cases(256));
    let case = (generate::objects(), any::<usize>());
    let result = runner.run(&case, |(objects, seed)| {
        let questions = generate::sample(generate::by_address(&objects), QUESTIONS, seed);
        look_closely(&mut coverage.borrow_mut(), &objects, &questions);
        agree(&compiled(&objects), &objects, &questions)
    });
    result.unwrap_or_else(|error| panic!("{error}"));

    coverage.borrow().assert_all_hit();
}

#[test]
fn after_any_changes_the_tables_agree_with_the_oracle_as_if_compiled_from_scratch() {
    let mut runner = TestRunner::new(Config::with_cases(96));
    let case = (generate::objects(), generate::edits(10), any::<usize>());
    let result = runner.run(&case, |(mut objects, edits, seed)| {
        let mut compiler = compiled(&objects);
        for edit in &edits {
            edit.apply(&mut objects);
            compiler.apply(compiler.cluster().changes_to(&model(&objects)));
            let questions = generate::sample(generate::by_address(&objects), QUESTIONS / 4, seed);
            agree(&compiler, &objects, &questions)?;
        }
        let scratch = compiled(&objects);
        for question in generate::sample(generate::by_address(&objects), QUESTIONS, seed) {
            let ask = |compiler: &Compiler| {
                asked_of_tables(compiler.tables(), compiler.cluster(), &question)
            };
            prop_assert_eq!(ask(&compiler), ask(&scratch), "{:?}", question);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// The same connections between addresses; none when an end has no address.
fn in_addresses(objects: &Objects, check: &Check) -> Vec<Question> {
    let addresses = |side: &Side| match side {
        Side::Address(address) => vec![*address],
        Side::Pod(namespace, name) => {
            let cluster = model(objects);
            let found = cluster
                .pods
                .iter()
                .find(|(key, _)| key.namespace == *namespace && key.name == *name);
            found.unwrap().1.addresses.clone()
        }
    };
    let (from, to) = (
        addresses(&check.question.from),
        addresses(&check.question.to),
    );
    let pair = to.iter().find_map(|to| {
        let from = from.iter().find(|from| from.is_ipv4() == to.is_ipv4())?;
        Some((Side::Address(*from), Side::Address(*to)))
    });
    pair.into_iter()
        .map(|(from, to)| Question {
            from,
            to,
            ..check.question.clone()
        })
        .collect()
}

#[test]
fn the_tables_agree_with_every_scenario_through_all_its_steps() {
    let mut asked = 0;
    for scenario in scenario::load_all(&scenario::directory()).unwrap() {
        let mut compiler = compiler();
        for stage in &scenario.stages {
            compiler.apply(compiler.cluster().changes_to(&model(&stage.objects)));
            for check in &stage.checks {
                for question in in_addresses(&stage.objects, check) {
                    let (egress, ingress) =
                        asked_of_tables(compiler.tables(), compiler.cluster(), &question);
                    let wanted = check.verdict == scenario::Verdict::Allow;
                    let name = &scenario.name;
                    let stage = &stage.description;
                    assert_eq!(egress && ingress, wanted, "{name}, {stage}: {check}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 700, "only {asked} expectations have addresses");
}
