//! Random clusters: both ends' verdicts, reasons and policies against the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use enforcer::source::manifests::ManifestSource;
use enforcer::trace::{Ends, Question as Asked, Tracer};
use enforcer_policy::model::Cluster;
use enforcer_policy::oracle::{self, Objects, Question, Side, Unanswerable};
use enforcer_testing::generate;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::command::Folder;
use crate::kernel::Kernel;
use crate::written::{line, manifests};

/// Questions of each kind about a cluster.
const QUESTIONS: usize = 150;

#[test]
fn the_host_agrees_with_the_oracle_about_random_clusters() {
    agree(64, Tracer::on_host);
}

/// Needs root: the programs are loaded.
#[test]
fn the_kernel_agrees_with_the_oracle_about_random_clusters() {
    let kernel = Kernel::load();
    agree(64, |cluster| kernel.tracer(cluster));
}

fn agree(cases: u32, tracer: impl Fn(&Cluster) -> Tracer) {
    let met = std::cell::RefCell::new(BTreeMap::<&str, usize>::new());
    let mut runner = TestRunner::new(Config::with_cases(cases));
    let case = (generate::objects(), any::<usize>());
    let result = runner.run(&case, |(objects, seed)| {
        let folder = Folder::with(&manifests(&objects));
        let cluster = ManifestSource::new(folder.manifests()).reload().cluster;
        let mut tracer = tracer(&cluster);
        let ambiguous = ambiguous(&cluster);
        let by_address = generate::sample(generate::by_address(&objects), QUESTIONS, seed);
        let by_name = generate::sample(generate::by_name(&objects), QUESTIONS, seed);
        for question in by_address.iter().chain(&by_name) {
            if !is_about(&cluster, question, &ambiguous) {
                let reasons = compare(&mut tracer, &objects, question)?;
                for reason in reasons {
                    *met.borrow_mut().entry(reason).or_default() += 1;
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let met = met.borrow();
    for reason in [
        "allowed",
        "policy-denied",
        "not-isolated",
        "not-a-pod",
        "own-node",
        "own-pod",
    ] {
        assert!(met.contains_key(reason), "{reason} was never met: {met:?}");
    }
}

/// Addresses that several pods claim, also such as have ended: who has them is nobody's to know. And those that pods with
/// `hostNetwork` have alone: only `trace` knows that they are their node's.
fn ambiguous(cluster: &Cluster) -> BTreeSet<IpAddr> {
    let mut claims = BTreeMap::<IpAddr, usize>::new();
    let mut ambiguous = BTreeSet::new();
    for pod in cluster.pods.values() {
        for address in &pod.addresses {
            if pod.host_network && !pod.terminated {
                ambiguous.insert(*address);
            } else {
                *claims.entry(*address).or_default() += 1;
            }
        }
    }
    ambiguous.retain(|address| cluster.node_by_address(*address).is_none());
    ambiguous.extend(
        claims
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(address, _)| address),
    );
    ambiguous
}

fn is_about(cluster: &Cluster, question: &Question, addresses: &BTreeSet<IpAddr>) -> bool {
    [&question.from, &question.to]
        .into_iter()
        .any(|side| match side {
            Side::Address(address) => addresses.contains(address),
            Side::Pod(namespace, name) => cluster.pods.iter().any(|(key, pod)| {
                // Without an address of its own a hostNetwork pod has its node's, of which trace may
                // know more than the Node object says.
                let implied = pod.host_network && pod.addresses.is_empty();
                let doubtful = pod
                    .addresses
                    .iter()
                    .any(|address| addresses.contains(address));
                key.namespace == *namespace && key.name == *name && (implied || doubtful)
            }),
        })
}

/// The reasons of both ends, when they are the oracle's.
fn compare(
    tracer: &mut Tracer,
    objects: &Objects,
    question: &Question,
) -> Result<Vec<&'static str>, TestCaseError> {
    let asked = Asked::from_line(&line(question)).unwrap();
    let answer = match tracer.ask(&asked) {
        Ok(answer) => answer,
        Err(error) => {
            let text = error.to_string();
            let known = ["has ended", "has no address", "no address family"];
            prop_assert!(
                known.iter().any(|known| text.contains(known)),
                "{asked:?}: {text}"
            );
            return Ok(Vec::new());
        }
    };
    let expected = match objects.ask(question) {
        Ok(expected) => expected,
        // Trace knows a node's addresses also from the hostNetwork pods on it; the oracle asks the
        // Node object alone, and may find no family in common.
        Err(Unanswerable::NoCommonFamily) => return Ok(Vec::new()),
        Err(error) => return Err(TestCaseError::fail(format!("{question:?}: {error}"))),
    };
    let Ends::Direct { egress, ingress } = &answer.ends else {
        return Err(TestCaseError::fail(format!("{question:?}: {answer:?}")));
    };
    for (part, expected) in [(egress, expected.egress), (ingress, expected.ingress)] {
        let holds = match &expected {
            oracle::Part::NotApplicable => part.reason == "not-a-pod",
            oracle::Part::OwnPod => part.reason == "own-pod" || part.reason == "not-isolated",
            oracle::Part::OwnNode => part.reason == "own-node" || part.reason == "not-isolated",
            oracle::Part::NotIsolated => part.reason == "not-isolated",
            oracle::Part::Allowed { by } => {
                let rule = part.allowed_by.as_ref();
                part.reason == "allowed" && rule.is_some_and(|rule| by.contains(&rule.policy))
            }
            oracle::Part::Denied { isolating } => {
                let policies: BTreeSet<_> = part.policies.iter().collect();
                part.reason == "policy-denied" && policies == isolating.iter().collect()
            }
        };
        prop_assert!(holds, "{question:?}: {part:?}, oracle {expected:?}");
    }
    Ok(vec![egress.reason, ingress.reason])
}
