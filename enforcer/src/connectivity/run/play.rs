//! One case after the other, on pods that are there.

use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::judge::{all_pass, expected, judge, passes};
use super::{Options, START};
use crate::connectivity::cases::{Case, Home, Port};
use crate::connectivity::evidence::{Evidence, Moment};
use crate::connectivity::logs::{self, Line, now};
use crate::connectivity::report::{BrokenConnection, CaseReport, ExpectationReport, Verdict};
use crate::connectivity::stage::{Cell, Stage};
use crate::connectivity::{TestError, policies, told};

/// The connections of this many attempts are awaited at a time, so that thousands of lines cost little.
const GATHER: Duration = Duration::from_millis(20);

/// A stage with ears.
pub(super) struct Play {
    api: Client,
    pub(super) stage: Stage,
    evidence: Evidence,
    lines: UnboundedReceiver<Line>,
    /// The last complaint of a log.
    complaint: String,
    _followers: JoinSet<()>,
}

impl Play {
    /// Follows all logs and waits until each client has tried something.
    pub(super) async fn begin(api: &Client, stage: Stage) -> Result<Self, TestError> {
        let (sender, lines) = unbounded_channel();
        let mut followers = JoinSet::new();
        for pod in &stage.clients {
            let namespace = stage.space(pod.client.home()).to_owned();
            followers.spawn(logs::follow(api.clone(), namespace, *pod, sender.clone()));
        }
        let mut play = Self {
            api: api.clone(),
            stage,
            evidence: Evidence::default(),
            lines,
            complaint: "no line".to_owned(),
            _followers: followers,
        };
        let clients = play.stage.clients.clone();
        // A client with nothing to try in these cases says nothing.
        let silent = |evidence: &Evidence| clients.iter().find(|pod| !evidence.has(**pod)).copied();
        if play
            .wait(START, |evidence| silent(evidence).is_none())
            .await
        {
            return Ok(play);
        }
        let pod = silent(&play.evidence).map(|pod| pod.to_string());
        Err(TestError::Logs {
            pod: pod.unwrap_or_default(),
            why: play.complaint,
        })
    }

    /// Reads logs until something is true of what they say, or the time is over.
    async fn wait(&mut self, patience: Duration, mut done: impl FnMut(&Evidence) -> bool) -> bool {
        let end = tokio::time::Instant::now() + patience;
        let mut lines = Vec::new();
        loop {
            let received = timeout_at(end, self.lines.recv_many(&mut lines, 1024)).await;
            for line in lines.drain(..) {
                match line {
                    Line::Attempt(pod, at, attempt) => self.evidence.take(pod, attempt, at),
                    Line::Broken(pod, why) => self.complaint = format!("{pod}: {why}"),
                }
            }
            if done(&self.evidence) {
                return true;
            }
            if received.is_err() || received == Ok(0) {
                return false;
            }
            sleep(GATHER).await;
        }
    }

    /// Plays one case and removes its policies, unless all is to be kept.
    pub(super) async fn case(
        &mut self,
        case: &'static Case,
        options: &Options,
    ) -> Result<CaseReport, TestError> {
        let begin = Instant::now();
        let cells = self.stage.cells(case);
        let patience = options.pace.timeout;
        let mut report = blank(case);
        let since = now();
        let before = self.wait(patience, |evidence| all_pass(evidence, &cells, since));
        if !before.await && case.name != Case::BASELINE {
            self.tell_before(case, &cells, since, &mut report);
            report.seconds = begin.elapsed().as_secs_f64();
            return Ok(report);
        }
        let meaning = self.stage.meaning();
        let policies = policies::read(case, &meaning)?;
        let names = self.apply(&policies).await?;
        let since = now();
        let agree = |evidence: &Evidence| judge(evidence, &cells, since).iter().all(|is| *is);
        self.wait(patience, agree).await;
        let judged = judge(&self.evidence, &cells, since);
        self.tell(case, &cells, &judged, since, &mut report);
        if report.verdict == Verdict::Broken && !names.is_empty() {
            let (space, nodes) = (self.stage.space(Home::Main), &self.stage.nodes);
            report.told = told::told(&self.api, space, &names, nodes).await;
        }
        let last = options
            .cases
            .last()
            .is_some_and(|last| last.name == case.name);
        if !names.is_empty() && !(options.keep && last) {
            self.withdraw(&names).await?;
            self.tell_after(&cells, patience, &mut report).await;
        }
        report.judge();
        report.seconds = begin.elapsed().as_secs_f64();
        Ok(report)
    }

    async fn apply(&self, policies: &[NetworkPolicy]) -> Result<Vec<String>, TestError> {
        let mut names = Vec::new();
        for policy in policies {
            let name = policy.metadata.name.clone().unwrap_or_default();
            let made = self.policies().create(&PostParams::default(), policy).await;
            made.map_err(TestError::api(format!("making policy {name}")))?;
            names.push(name);
        }
        Ok(names)
    }

    async fn withdraw(&self, names: &[String]) -> Result<(), TestError> {
        for name in names {
            let gone = self.policies().delete(name, &DeleteParams::default()).await;
            gone.map_err(TestError::api(format!("deleting policy {name}")))?;
        }
        Ok(())
    }

    fn policies(&self) -> Api<NetworkPolicy> {
        Api::namespaced(self.api.clone(), self.stage.space(Home::Main))
    }

    /// Something does not pass before the case's policies are there.
    fn tell_before(&self, case: &Case, cells: &[Cell], since: Moment, report: &mut CaseReport) {
        let fails = |cell: &&Cell| !passes(&self.evidence, cell, since);
        let failing: Vec<&Cell> = cells.iter().filter(fails).collect();
        if case.wants_services() && failing.iter().all(|cell| cell.port == Port::Service) {
            report.verdict = Verdict::Skipped;
            report.reason = Some(
                "service addresses do not answer without a policy: is there a kube-proxy?"
                    .to_owned(),
            );
            return;
        }
        let broken = failing.into_iter().map(|cell| {
            let cell = Cell {
                allowed: true,
                ..*cell
            };
            self.broken(&cell, since)
        });
        let words = "without the policy everything passes".to_owned();
        let expectation = ExpectationReport::new(words, cells.len(), broken.collect());
        report.expectations.push(expectation);
        report.judge();
    }

    /// What became of all expectations.
    fn tell(
        &self,
        case: &Case,
        cells: &[Cell],
        judged: &[bool],
        since: Moment,
        report: &mut CaseReport,
    ) {
        for (number, expectation) in case.expectations.iter().enumerate() {
            let own = || {
                cells
                    .iter()
                    .zip(judged)
                    .filter(|(cell, _)| cell.expectation == number)
            };
            let broken = own().filter(|(_, is)| !**is);
            let broken = broken.map(|(cell, _)| self.broken(cell, since)).collect();
            let words = expectation.to_string();
            let told = ExpectationReport::new(words, own().count(), broken);
            report.expectations.push(told);
        }
        report.judge();
    }

    /// Whether everything passes when the policies are gone.
    async fn tell_after(&mut self, cells: &[Cell], patience: Duration, report: &mut CaseReport) {
        let since = now();
        self.wait(patience, |evidence| all_pass(evidence, cells, since))
            .await;
        let fails = |cell: &&Cell| !passes(&self.evidence, cell, since);
        let broken = cells.iter().filter(fails).map(|cell| {
            let cell = Cell {
                allowed: true,
                ..*cell
            };
            self.broken(&cell, since)
        });
        let words = "removed again: everything passes".to_owned();
        let expectation = ExpectationReport::new(words, cells.len(), broken.collect());
        report.expectations.push(expectation);
    }

    fn broken(&self, cell: &Cell, since: Moment) -> BrokenConnection {
        let stage = &self.stage;
        let from = format!("{}/{}", stage.space(cell.from.client.home()), cell.from);
        let to = format!("{}/{}", stage.space(cell.server.home()), cell.server.name());
        let (port, protocol) = (cell.port.number(), cell.port.protocol());
        let service = if cell.port == Port::Service {
            "svc/"
        } else {
            ""
        };
        let trace = format!(
            "enforcer trace --manifests cluster.yaml --from {from} --to {service}{to} --port {port} --protocol {protocol}"
        );
        BrokenConnection {
            from,
            from_node: stage.nodes[cell.from.node].clone(),
            to,
            to_node: stage.node_of(cell.server).to_owned(),
            target: cell.target.to_string(),
            expected: expected(cell),
            seen: self.evidence.counts((cell.from, cell.target), since),
            error: self.evidence.error(cell.from).map(str::to_owned),
            trace,
        }
    }
}

fn blank(case: &'static Case) -> CaseReport {
    CaseReport {
        name: case.name,
        about: case.about,
        verdict: Verdict::Holds,
        reason: None,
        seconds: 0.0,
        expectations: Vec::new(),
        told: Vec::new(),
    }
}

/// A case that is not played.
pub(super) fn skipped(case: &'static Case, why: &str) -> CaseReport {
    CaseReport {
        verdict: Verdict::Skipped,
        reason: Some(why.to_owned()),
        ..blank(case)
    }
}
