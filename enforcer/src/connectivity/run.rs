//! Plays the cases.

mod judge;
mod play;
mod tell;

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::ListParams;
use kube::{Api, Client};

use super::TestError;
use super::cases::{Case, Home};
use super::probe::Timing;
use super::report::{CaseReport, Report, Setting, Verdict};
use super::stage::{Spaces, Stage, choose};
use play::Play;

/// How long pods may take to run.
pub(super) const START: Duration = Duration::from_secs(180);
/// How long namespaces may take to go.
const END: Duration = Duration::from_secs(120);
/// Time between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// How a test goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first of its two namespaces; the other's name has `-other` at its end.
    pub namespace: String,
    /// The image of its pods.
    pub image: String,
    /// One or two nodes; the first two that take pods when empty.
    pub nodes: Vec<String>,
    /// What is played.
    pub cases: Vec<&'static Case>,
    /// Leave everything behind, the last case's policies too.
    pub keep: bool,
    /// How fast.
    pub pace: Pace,
}

/// How fast a test goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a case may take to become as expected, and connections to pass again after it.
    pub timeout: Duration,
    /// Between two attempts at one target.
    pub interval: Duration,
    /// After which an attempt counts as not answered. The kernel sends a lost SYN again after a
    /// second; less makes one lost packet a denial.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            interval: Duration::from_millis(250),
            patience: Duration::from_secs(1),
        }
    }
}

impl Pace {
    pub(super) const fn timing(&self) -> Timing {
        Timing {
            interval: self.interval,
            patience: self.patience,
        }
    }
}

/// Who hears of what goes on.
pub trait Progress {
    /// Something begins.
    fn says(&mut self, what: &str);
    /// A case has ended.
    fn ended(&mut self, case: &CaseReport);
}

/// The image of the daemons of this cluster, if there are any and they may be read.
pub async fn daemons_image(api: &Client) -> Option<String> {
    let all = Api::<DaemonSet>::all(api.clone());
    let ours = ListParams::default().labels("app.kubernetes.io/name=enforcer");
    let listed = all.list(&ours).await.ok()?;
    let specs = listed.items.into_iter().filter_map(|one| one.spec);
    let pods = specs.filter_map(|spec| spec.template.spec);
    let mut containers = pods.flat_map(|pod| pod.containers);
    containers.find_map(|container| container.image)
}

/// Plays all cases and removes everything again, also when something goes wrong and when `interrupted` ends
/// first. A second interruption is not waited for here.
///
/// # Errors
/// When the test could not be played: see [`TestError`].
pub async fn run(
    api: &Client,
    options: &Options,
    progress: &mut dyn Progress,
    interrupted: impl Future<Output = ()>,
) -> Result<Report, TestError> {
    let spaces = Spaces::new(&options.namespace);
    spaces.check(api).await?;
    let played = tokio::select! {
        played = play(api, &spaces, options, progress) => played,
        () = interrupted => Err(TestError::Interrupted),
    };
    if options.keep {
        let [main, other] = [spaces.of(Home::Main), spaces.of(Home::Other)];
        let note = format!("Kept: kubectl delete namespace {main} {other} removes everything.");
        return played.map(|mut report| {
            report.notes.push(note);
            report
        });
    }
    progress.says("removing everything");
    match (played, spaces.remove(api, END).await) {
        (played, Ok(())) => played,
        (Ok(mut report), Err(error)) => {
            report
                .notes
                .push(format!("Not everything is removed: {error}"));
            Ok(report)
        }
        (Err(first), Err(error)) => Err(TestError::NotRemoved {
            first: Box::new(first),
            removing: Box::new(error),
        }),
    }
}

async fn play(
    api: &Client,
    spaces: &Spaces,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Report, TestError> {
    let nodes = choose(api, &options.nodes).await?;
    progress.says("removing what an earlier test left");
    spaces.remove(api, END).await?;
    progress.says("making namespaces");
    spaces.create(api).await?;
    let stage = Stage::build(api, spaces.clone(), nodes, options, progress).await?;
    progress.says("waiting for the first attempts");
    let mut play = Play::begin(api, stage).await?;
    let mut cases: Vec<CaseReport> = Vec::new();
    for case in &options.cases {
        progress.says(case.name);
        let broken =
            |one: &CaseReport| one.name == Case::BASELINE && one.verdict == Verdict::Broken;
        let report = if cases.iter().any(broken) {
            tell::skipped(case, "connections fail without any policy, see no-policy")
        } else {
            play.case(case, options).await?
        };
        progress.ended(&report);
        cases.push(report);
    }
    Ok(report(&play.stage, options, cases))
}

fn report(stage: &Stage, options: &Options, cases: Vec<CaseReport>) -> Report {
    Report {
        holds: cases.iter().all(|case| case.verdict != Verdict::Broken),
        setting: Setting {
            namespaces: [Home::Main, Home::Other].map(|home| stage.space(home).to_owned()),
            nodes: stage.nodes.clone(),
            image: options.image.clone(),
            families: stage.families(),
        },
        skipped: stage.notes(),
        cases,
        notes: Vec::new(),
    }
}
