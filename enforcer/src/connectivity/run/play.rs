//! One case after the other, on pods that are there.

use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::judge::{all_pass, judge};
use super::tell::blank;
use super::{Options, START};
use crate::connectivity::cases::{Case, Home};
use crate::connectivity::evidence::Evidence;
use crate::connectivity::logs::{self, Line, now};
use crate::connectivity::report::{CaseReport, Verdict};
use crate::connectivity::stage::Stage;
use crate::connectivity::{TestError, policies, told};

/// Lines that come together are judged together.
const GATHER: Duration = Duration::from_millis(20);

/// A stage with ears.
pub(super) struct Play {
    api: Client,
    pub(super) stage: Stage,
    pub(super) evidence: Evidence,
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
    pub(super) async fn wait(
        &mut self,
        patience: Duration,
        mut done: impl FnMut(&Evidence) -> bool,
    ) -> bool {
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
        let stays = options.keep && last;
        if !names.is_empty() && !stays {
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
}
