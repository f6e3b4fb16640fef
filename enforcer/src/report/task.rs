//! The task that keeps this node's objects and Events true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::backoff::{Backoff, spread};
use super::bucket::Bucket;
use super::counters::{Count, Counters};
use super::events::event;
use super::failure::Failure;
use super::notice::{Complaint, Notice, Notices, Regarding, complaints, refusals};
use super::observed::{Observed, PolicyName};
use super::pace::{Limit, Pace, chance};
use super::plan::{Action, Plan, object};
use super::server::{Own, Server};
use super::sweep;
use super::wanted::{Content, Settling, Wanted, Wish, wanted};
use crate::api::server::Question;

/// Events in a second, and at once.
const EVENTS: (u32, u32) = (1, 10);

/// How long the loop sleeps at most when nothing is due.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// When to ask again a daemon that does not know its policies yet.
const UNSYNCED: Duration = Duration::from_secs(2);

/// What is reported.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub node: String,
    /// `PolicyEnforcement` objects.
    pub objects: bool,
    /// Events.
    pub events: bool,
    /// How fast.
    pub pace: Pace,
}

/// The running tasks; they end when dropped.
#[derive(Debug)]
pub struct Tasks(JoinSet<()>);

impl Tasks {
    /// Ends them. A request that is on its way is done or not, never half.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Starts reporting what the daemon answers to `questions`, again whenever `changed` changes.
pub fn start(
    client: Client,
    options: Options,
    questions: mpsc::Sender<Question>,
    changed: watch::Receiver<u64>,
    counters: Counters,
) -> Tasks {
    let mut tasks = JoinSet::new();
    let server = Server::new(client, &options.node);
    let pace = options.pace;
    let limit = Arc::new(Limit::new(pace.per_second, pace.burst));
    if options.objects {
        let sweeper = sweep::Sweeper::new(
            server.clone(),
            pace,
            questions.clone(),
            limit.clone(),
            counters.clone(),
        );
        tasks.spawn(sweeper.run());
    }
    let now = Instant::now();
    let reporter = Reporter {
        server,
        questions,
        changed,
        counters,
        limit,
        plan: Plan::default(),
        settling: Settling::default(),
        notices: Notices::default(),
        event_bucket: Bucket::new(EVENTS.0, EVENTS.1, now),
        backoff: Backoff::default(),
        ready: false,
        compare_at: now,
        events_at: now,
        writes_at: now,
        options,
    };
    tasks.spawn(reporter.run());
    Tasks(tasks)
}

struct Reporter {
    server: Server,
    options: Options,
    questions: mpsc::Sender<Question>,
    changed: watch::Receiver<u64>,
    counters: Counters,
    limit: Arc<Limit>,
    plan: Plan,
    settling: Settling,
    notices: Notices,
    event_bucket: Bucket,
    backoff: Backoff,
    /// What the API server has is known, and objects can be written.
    ready: bool,
    /// When to look at what the API server has.
    compare_at: Instant,
    /// When Events may be made again.
    events_at: Instant,
    /// When objects may be written again.
    writes_at: Instant,
}

impl Reporter {
    async fn run(mut self) {
        tokio::time::sleep(spread(Duration::ZERO, self.options.pace.start, chance())).await;
        loop {
            if self.options.objects && Instant::now() >= self.compare_at {
                self.compare().await;
            }
            let asked = Instant::now();
            self.changed.mark_unchanged();
            let Some(observed) = self.ask().await else {
                // The daemon is stopping.
                return;
            };
            let due = if observed.synced {
                self.report(&observed).await
            } else {
                Some(asked + UNSYNCED)
            };
            self.rest(asked, due).await;
        }
    }

    /// Waits until there may be something to do, but lets changes gather.
    async fn rest(&mut self, asked: Instant, due: Option<Instant>) {
        let compare = self.options.objects.then_some(self.compare_at);
        let until = due.into_iter().chain(compare).min();
        let until = until.map_or(asked + IDLE, |until| until.min(asked + IDLE));
        tokio::select! {
            changed = self.changed.changed() => if changed.is_err() {
                // Nobody tells of changes any more: the daemon is stopping.
                tokio::time::sleep_until(until.into()).await;
            },
            () = tokio::time::sleep_until(until.into()) => {}
        }
        tokio::time::sleep_until((asked + self.options.pace.gather).into()).await;
    }

    async fn ask(&self) -> Option<Observed> {
        let (answer, observed) = oneshot::channel();
        self.questions
            .send(Question::Enforcement { answer })
            .await
            .ok()?;
        observed.await.ok()
    }

    /// Learns what the API server has. Whatever is there and not to be is deleted later.
    async fn compare(&mut self) {
        let own = self.server.own().await;
        let now = Instant::now();
        let own = match own {
            Ok(own) => own,
            Err(failure) => {
                self.compare_at = now + self.failed(&failure);
                return;
            }
        };
        self.plan.clear();
        let mut strange = Vec::new();
        for own in own {
            match own {
                Own::Object(object) => {
                    if self.plan.adopt(&object, self.server.node(), now).is_none() {
                        let metadata = object.metadata;
                        strange.push((
                            metadata.namespace.unwrap_or_default(),
                            metadata.name.unwrap_or_default(),
                        ));
                    }
                }
                Own::Strange(namespace, name) => strange.push((namespace, name)),
            }
        }
        if !self.ready {
            self.notices
                .adopt(complaints(self.server.node(), self.plan.said()));
        }
        self.well();
        let compare = self.options.pace.compare;
        self.compare_at = now + spread(compare / 2, compare, chance());
        for (namespace, name) in strange {
            self.limit.token().await;
            if let Err(failure) = self.server.remove(&namespace, &name, None).await {
                tracing::debug!(%failure, namespace, name, "cannot delete a report that is not of this version");
                return;
            }
            self.counters.raise(Count::Deleted);
        }
    }

    /// Objects can be written.
    fn well(&mut self) {
        self.backoff.succeeded();
        if self.counters.trouble().is_some() {
            tracing::info!("reports are written again");
        }
        self.counters.set_trouble(None);
        self.ready = true;
    }

    /// Says once why objects cannot be written, and how long to leave it.
    fn failed(&mut self, failure: &Failure) -> Duration {
        self.counters.raise(Count::Failures);
        let words = failure.to_string();
        let (pause, lasting) = match failure {
            Failure::Unknown | Failure::Forbidden(_) => (self.options.pace.again, true),
            Failure::Busy { asked, .. } => (self.backoff.failed(chance(), *asked), false),
            Failure::Object(_) => (self.backoff.failed(chance(), None), false),
        };
        if lasting {
            self.ready = false;
            self.compare_at = Instant::now() + pause;
        }
        if self.counters.trouble().as_ref() != Some(&words) {
            if lasting {
                tracing::warn!(
                    again_in = pause.as_secs(),
                    "no reports; policies are enforced all the same: {words}"
                );
            } else {
                tracing::debug!(%failure, "a report has to wait");
            }
            self.counters.set_trouble(Some(words));
        }
        pause
    }

    /// Brings objects and Events to what was observed. When to do so again though nothing changes.
    async fn report(&mut self, observed: &Observed) -> Option<Instant> {
        let now = Instant::now();
        self.settling.observe(observed, now);
        let wanted = wanted(observed, &self.settling, now, env!("CARGO_PKG_VERSION"));
        let mut due: Vec<Instant> = self.settling.due(now).into_iter().collect();
        let mut complaints = self.complaints(&wanted);
        complaints.extend(refusals(&observed.refused));
        if self.ready || !self.options.objects {
            due.extend(self.write(&wanted).await);
        }
        if self.options.events {
            due.extend(self.tell(&complaints, &wanted, observed).await);
        }
        due.into_iter().min()
    }

    fn complaints(&self, wanted: &Wanted) -> BTreeMap<Regarding, Complaint> {
        let known: BTreeMap<&PolicyName, &Content> = self.plan.said().collect();
        let contents = wanted.iter().filter_map(|(name, wish)| match wish {
            Wish::Say(content) => Some((name, content)),
            Wish::Keep => Some((name, *known.get(name)?)),
        });
        complaints(self.server.node(), contents)
    }

    /// Writes what there is to write; gives up early when there is news.
    async fn write(&mut self, wanted: &Wanted) -> Option<Instant> {
        let begun = Instant::now();
        if begun < self.writes_at {
            return Some(self.writes_at);
        }
        let steps = self.plan.steps(wanted, begun, Timestamp::now());
        for action in steps.now {
            let stale = begun.elapsed() > self.options.pace.gather;
            if stale && self.changed.has_changed().unwrap_or(false) {
                return Some(Instant::now());
            }
            match self.act(&action).await {
                Ok(()) => self.plan.done(&action, Instant::now()),
                Err(Failure::Object(why)) => {
                    self.counters.raise(Count::Failures);
                    tracing::debug!(why, ?action, "a report was refused");
                    self.plan.refused(&action, Instant::now());
                }
                Err(failure) => {
                    self.writes_at = Instant::now() + self.failed(&failure);
                    return Some(self.writes_at);
                }
            }
        }
        steps.due
    }

    async fn act(&mut self, action: &Action) -> Result<(), Failure> {
        if !self.options.objects {
            return Ok(());
        }
        match action {
            Action::Delete(name) => {
                self.limit.token().await;
                self.server.delete(name).await?;
                self.counters.raise(Count::Deleted);
            }
            Action::Write(name, content, since) => {
                if self.plan.is_in_the_way(name, content) {
                    self.limit.token().await;
                    self.server.delete(name).await?;
                }
                self.limit.token().await;
                let object = object(name, self.server.node(), content, *since);
                self.server.apply(&object).await?;
                self.counters.raise(Count::Written);
            }
        }
        self.well();
        Ok(())
    }

    /// Makes the Events that are due.
    async fn tell(
        &mut self,
        complaints: &BTreeMap<Regarding, Complaint>,
        wanted: &Wanted,
        observed: &Observed,
    ) -> Option<Instant> {
        let now = Instant::now();
        if now < self.events_at {
            return Some(self.events_at);
        }
        let fine = |regarding: &Regarding| is_fine(regarding, wanted, observed);
        let (notices, due) = self
            .notices
            .due(complaints, fine, &mut self.event_bucket, now);
        for notice in notices {
            match self.publish(&notice).await {
                Ok(()) => self.notices.told(&notice, Instant::now()),
                Err(Failure::Object(why)) => {
                    tracing::debug!(why, "an Event was refused");
                    self.notices.told(&notice, Instant::now());
                }
                Err(failure) => {
                    self.counters.raise(Count::Failures);
                    let pause = match failure {
                        Failure::Busy { asked, .. } => self.backoff.failed(chance(), asked),
                        Failure::Forbidden(_) | Failure::Unknown | Failure::Object(_) => {
                            tracing::warn!(%failure, "cannot make Events");
                            self.options.pace.again
                        }
                    };
                    self.events_at = Instant::now() + pause;
                    return Some(self.events_at);
                }
            }
        }
        due
    }

    async fn publish(&self, notice: &Notice) -> Result<(), Failure> {
        let uid = match &notice.regarding {
            Regarding::Policy(_, uid) => Some(uid.to_string()),
            Regarding::Contents(name) => self.server.uid_of_policy(name).await?,
            Regarding::Pod(pod) => self.server.uid_of(pod).await?,
        };
        let Some(uid) = uid else {
            // Nobody is left to be told.
            return Ok(());
        };
        let event = event(notice, uid, self.server.node(), Timestamp::now());
        self.server.tell(&event).await?;
        self.counters.raise(Count::Events);
        Ok(())
    }
}

/// Whether an object that was complained about is enforced now, and not merely gone.
fn is_fine(regarding: &Regarding, wanted: &Wanted, observed: &Observed) -> bool {
    match regarding {
        Regarding::Policy(name, uid) => match wanted.get(name) {
            Some(Wish::Say(content)) => {
                content.version.uid == *uid && content.not_enforced_count == 0
            }
            Some(Wish::Keep) | None => false,
        },
        Regarding::Contents(name) => !observed.refused.contains_key(name),
        Regarding::Pod(pod) => {
            let mut policies = observed.policies.values();
            let bad = observed
                .policies
                .values()
                .any(|policy| policy.not_enforced.contains_key(pod));
            !bad && policies.any(|policy| policy.pods.contains(pod))
        }
    }
}
