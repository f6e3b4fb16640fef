//! Suggested policies allow what was recorded and nothing else, as far as labels can tell pods apart.

use std::cell::RefCell;
use std::collections::BTreeMap;

use enforcer::cli::Output;
use enforcer::cli::check::{CheckArgs, run as check};
use enforcer::source::manifests::ManifestSource;
use enforcer::trace::{Ends, Question as Asked, Tracer, Verdict};
use enforcer_policy::oracle::{Objects, Part, Question};
use enforcer_testing::generate;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::asked::{Owners, Wanted, address};
use crate::command::{Folder, Run};
use crate::random::{Grouping, group, manifests, number, records};

/// Recorded connections and questions of each cluster.
const RECORDED: usize = 12;
const QUESTIONS: usize = 400;

/// How often something was met.
type Met = BTreeMap<&'static str, usize>;

#[test]
fn suggested_policies_allow_what_was_recorded_and_nothing_else() {
    let met = RefCell::new(Met::new());
    let mut runner = TestRunner::new(Config::with_cases(96));
    let groupings = [Grouping::ByLabels, Grouping::Distinct, Grouping::Alone];
    let case = (
        generate::objects(),
        select(groupings.to_vec()),
        any::<usize>(),
    );
    let result = runner.run(&case, |(mut objects, grouping, seed)| {
        group(&mut objects, grouping);
        agree(&objects, seed, &mut met.borrow_mut())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let met = met.borrow();
    for (what, least) in [
        ("exact", 30),
        ("not exact", 5),
        ("recorded", 200),
        ("replayed", 200),
        ("allowed", 200),
        ("denied", 2000),
        ("named ports", 3),
        ("excluded labels", 3),
    ] {
        let count = met.get(what).copied().unwrap_or_default();
        assert!(count >= least, "{what} only {count} times: {met:?}");
    }
}

fn agree(objects: &Objects, seed: usize, met: &mut Met) -> Result<(), TestCaseError> {
    let owners = Owners::of(objects);
    let mut questions = generate::by_address(objects);
    questions.retain(|question| owners.is_sure(question));
    let mut wanted = Wanted::default();
    let mut lines = Vec::new();
    let mut recorded = Vec::new();
    for (index, question) in recordable(&questions, seed).iter().enumerate() {
        let denied = index % 4 == 3;
        lines.append(&mut records(objects, &owners, question, denied));
        if !denied && is_policed(objects, question) {
            wanted.add(&owners, question);
            recorded.push(question.clone());
        }
    }
    number(&mut lines);
    let folder = Folder::new(&manifests(objects), &lines);
    let run = folder.suggest("--all");
    let json = folder.suggest("--all --output json");
    let exact = is_exact(&json);
    let mut meet = |what, count| *met.entry(what).or_default() += count;
    meet(if exact { "exact" } else { "not exact" }, 1);
    meet("recorded", recorded.len());
    meet("named ports", run.out.matches("port: http").count());
    meet("excluded labels", run.out.matches("DoesNotExist").count());

    let mut questions = generate::sample(questions, QUESTIONS, seed);
    questions.extend(recorded.iter().cloned());
    let mut judge = Judge::new(objects, &folder, &run, &json)?;
    meet("replayed", replayed(&folder, has_no_labels(&json))?);
    for question in &questions {
        let parts = judge.ask(question)?;
        for (allowed, part) in parts {
            let expected = wanted.is_allowed(&owners, question, &part);
            prop_assert!(
                allowed || !expected || has_no_labels(&json),
                "recorded and denied: {question:?}\n{}",
                run.out
            );
            prop_assert!(
                !allowed || expected || !exact,
                "not recorded and allowed: {question:?}\n{}",
                run.out
            );
            let policed = !matches!(part, Part::NotApplicable | Part::OwnPod | Part::OwnNode);
            meet(
                if allowed { "allowed" } else { "denied" },
                usize::from(policed),
            );
        }
    }
    Ok(())
}

/// Some of the questions that a connection with a record can be.
fn recordable(questions: &[Question], seed: usize) -> Vec<Question> {
    let questions = questions.iter();
    let with_ports = questions.filter(|one| [6, 17, 132].contains(&one.protocol) && one.port > 0);
    generate::sample(with_ports.cloned().collect(), RECORDED, seed)
}

/// Whether policies have a say: a pod always reaches itself and its own node.
fn is_policed(objects: &Objects, question: &Question) -> bool {
    let answer = objects.ask(question).unwrap();
    let free = |part: &Part| matches!(part, Part::OwnPod | Part::OwnNode);
    !free(&answer.egress) && !free(&answer.ingress)
}

/// Whether labels sufficed. What only has too few records is not the labels' fault.
fn is_exact(json: &Run) -> bool {
    let json = json.json();
    let caveats = json["not_exact"].as_array().unwrap().iter();
    let mut caveats = caveats.filter_map(Value::as_str);
    caveats.all(|text| text.contains("nothing was recorded") || text.contains("made no record"))
}

fn has_no_labels(json: &Run) -> bool {
    json.json()["not_exact"]
        .to_string()
        .contains("has no label")
}

/// How many recorded connections would still be allowed: all, if every workload has labels.
fn replayed(folder: &Folder, has_no_labels: bool) -> Result<usize, TestCaseError> {
    let run = folder.replay("--output json");
    let json = run.json();
    let summary = &json["summary"];
    prop_assert!(summary["newly_denied"] == 0 || has_no_labels, "{}", run.out);
    for list in ["gone", "unanswered"] {
        prop_assert_eq!(&json[list], &Value::Array(Vec::new()), "{}", run.err);
    }
    let count = summary["still_allowed"].as_u64().unwrap();
    Ok(usize::try_from(count).unwrap())
}

/// Asks the oracle and our own compiler what the suggested policies say.
struct Judge {
    objects: Objects,
    tracer: Tracer,
}

impl Judge {
    fn new(
        objects: &Objects,
        folder: &Folder,
        run: &Run,
        json: &Run,
    ) -> Result<Self, TestCaseError> {
        let path = folder.manifests().join("suggested.yaml");
        std::fs::write(&path, &run.out).unwrap();
        let mut found = Vec::new();
        let args = CheckArgs {
            paths: vec![folder.manifests()],
            deny_warnings: false,
            output: Output::Text,
        };
        let code = check(&args, &mut found).unwrap();
        prop_assert_eq!(code, 0, "{}", String::from_utf8_lossy(&found));
        let policies = serde_json::from_value(json.json()["policies"].clone()).unwrap();
        let cluster = ManifestSource::new(folder.manifests()).reload().cluster;
        let objects = Objects {
            policies,
            ..objects.clone()
        };
        prop_assert_eq!(cluster.policies.len(), objects.policies.len());
        Ok(Self {
            objects,
            tracer: Tracer::on_host(&cluster),
        })
    }

    /// Whether either end allows a connection, and why.
    fn ask(&mut self, question: &Question) -> Result<[(bool, Part); 2], TestCaseError> {
        let answer = self.objects.ask(question).unwrap();
        let asked = Asked {
            from: address(&question.from).to_string(),
            to: address(&question.to).to_string(),
            protocol: question.protocol.to_string(),
            port: Some(question.port),
        };
        let traced = self.tracer.ask(&asked).unwrap();
        let Ends::Direct { egress, ingress } = traced.ends else {
            return Err(TestCaseError::fail("there are no services"));
        };
        let own = [egress, ingress].map(|part| part.verdict == Verdict::Allow);
        let parts = [answer.egress, answer.ingress];
        prop_assert_eq!(
            own,
            [parts[0].allowed(), parts[1].allowed()],
            "{:?}",
            question
        );
        let [egress, ingress] = parts;
        Ok([(own[0], egress), (own[1], ingress)])
    }
}
