//! What happens to the daemon, and what it needs meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use enforcer_cluster::{ControlPlane, Part};
use enforcer_testing::big::Size;
use nix::sys::signal::Signal;
use serde::Serialize;
use serde_json::json;

use crate::Outcome;
use crate::agent::Agent;
use crate::fill::patch_pods;
use crate::memory::{Memory, reset_peak};

/// One part of the story.
#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    /// Changes that were made to objects.
    pub(crate) changes: usize,
    /// Whether policies can see them; `None` where that is not the question.
    pub(crate) seen: Option<bool>,
    /// Batches that were compiled.
    pub(crate) compiles: usize,
    pub(crate) memory: Memory,
}

impl Phase {
    /// Changes were to be made, and none was.
    pub(crate) fn is_idle(&self) -> bool {
        self.seen.is_some() && self.changes == 0
    }
}

/// So long nothing happens, so that what is still on its way arrives.
const PAUSE: Duration = Duration::from_secs(5);

/// Changes in a second.
const PACE: u32 = 100;

/// How many changes are missed while the API server restarts.
const MISSED: Duration = Duration::from_secs(10);

/// Measures what `work` does with the daemon; `work` gives how many changes it made.
async fn phase<W>(agent: &Agent, name: &'static str, seen: Option<bool>, work: W) -> Outcome<Phase>
where
    W: Future<Output = Outcome<usize>>,
{
    println!("{name}");
    reset_peak(agent.process())?;
    let compiles = agent.compiles()?;
    let begin = Instant::now();
    let changes = work.await?;
    tokio::time::sleep(PAUSE).await;
    Ok(Phase {
        name,
        seconds: begin.elapsed().as_secs_f64(),
        changes,
        seen,
        compiles: agent.compiles()? - compiles,
        memory: Memory::of(agent.process())?,
    })
}

/// The whole story, and what the daemon logged.
pub(crate) async fn all(
    plane: &mut ControlPlane,
    program: &Path,
    size: &Size,
    churn: Duration,
) -> Outcome<(Vec<Phase>, String)> {
    let client = plane.client().await?;
    let mut phases = Vec::new();
    println!("first lists");
    let begin = Instant::now();
    let agent = Agent::start(plane, program)?;
    let time = agent.wait(begin)?;
    phases.push(Phase {
        name: "first lists",
        seconds: time.as_secs_f64(),
        changes: 0,
        seen: None,
        compiles: agent.compiles()?,
        memory: Memory::of(agent.process())?,
    });
    phases.push(phase(&agent, "at rest", None, async { Ok(0) }).await?);
    let unseen = patch_pods(&client, size, PACE, churn, |turn| {
        let conditions = json!([{"type": "Ready", "status": "True", "reason": format!("r{turn}")}]);
        if turn % 2 == 0 {
            (
                Some("status"),
                json!({"status": {"conditions": conditions}}),
            )
        } else {
            let annotations = json!({"example.com/turn": turn.to_string()});
            (None, json!({"metadata": {"annotations": annotations}}))
        }
    });
    phases.push(
        phase(
            &agent,
            "changes that no policy can see",
            Some(false),
            unseen,
        )
        .await?,
    );
    let labels = patch_pods(&client, size, PACE, churn / 4, |turn| {
        let labels = json!({"example.com/turn": turn.to_string()});
        (None, json!({"metadata": {"labels": labels}}))
    });
    phases.push(phase(&agent, "other labels", Some(true), labels).await?);
    // The daemon sleeps while the server restarts and objects change, so that it comes back with
    // versions that the server does not know any more, and must list everything again.
    let missed = async {
        agent.signal(Signal::SIGSTOP)?;
        plane.kill_part(Part::ApiServer);
        plane.start_part(Part::ApiServer)?;
        let labels = |turn: usize| {
            let labels = json!({"example.com/missed": turn.to_string()});
            (None, json!({"metadata": {"labels": labels}}))
        };
        let client = plane.client().await?;
        let changes = patch_pods(&client, size, PACE, MISSED, labels).await?;
        plane.kill_part(Part::ApiServer);
        plane.start_part(Part::ApiServer)?;
        agent.signal(Signal::SIGCONT)?;
        tokio::time::sleep(6 * PAUSE).await;
        Ok(changes)
    };
    phases.push(
        phase(
            &agent,
            "lists after a restart of the API server",
            None,
            missed,
        )
        .await?,
    );
    Ok((phases, agent.log()?))
}
