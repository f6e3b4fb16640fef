//! What the policies of manifests make of connections that were recorded.
//!
//! Each connection is asked about anew, with the pods by their names: a pod that has gone since is judged
//! by another of its workload, if there is one.

mod ends;
mod text;

use enforcer_flows::Verdict as Recorded;
use serde::{Deserialize, Serialize};

use self::ends::{Ends, Gone};
use super::answer::{Answer, Verdict};
use super::{Question, Tracer};
use crate::recorded::{Connection, Log, Seen};
pub use text::write_replay;

/// What became of the connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// Records that were read.
    pub records: u64,
    /// What daemons say that is not in the records.
    pub lost: u64,
    /// How many connections had which verdict, and have now.
    pub summary: Summary,
    /// Those that differ, allowed ones first.
    pub differing: Vec<Judged>,
    /// Those with an end that is not there any more.
    pub gone: Vec<NotJudged>,
    /// Those that have no one answer.
    pub unanswered: Vec<NotJudged>,
}

/// Connections by both verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Were and would be allowed.
    pub still_allowed: u64,
    /// Were allowed and would be denied.
    pub newly_denied: u64,
    /// Were denied and would be allowed.
    pub newly_allowed: u64,
    /// Were and would be denied.
    pub still_denied: u64,
}

/// A replay in both forms, and what its reader is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// For people.
    pub text: String,
    /// For programs: [`Replay`] in JSON.
    pub json: String,
    /// How many verdicts would be others.
    pub differing: usize,
    /// Of how many connections an end is not there any more.
    pub gone: usize,
    /// How many connections have no one answer.
    pub unanswered: usize,
}

impl Written {
    /// Writes a replay.
    ///
    /// # Errors
    /// When it cannot be said in JSON.
    pub fn of(replay: &Replay) -> Result<Self, serde_json::Error> {
        let mut text = Vec::new();
        write_replay(replay, &mut text).map_err(serde_json::Error::io)?;
        Ok(Self {
            text: String::from_utf8_lossy(&text).into_owned(),
            json: serde_json::to_string_pretty(replay)?,
            differing: replay.differing.len(),
            gone: replay.gone.len(),
            unanswered: replay.unanswered.len(),
        })
    }
}

/// A recorded connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// Who connected.
    pub from: String,
    /// To whom.
    pub to: String,
    /// By which protocol.
    pub protocol: String,
    /// To which port; null where the protocol has none.
    pub port: Option<u16>,
    /// What became of it.
    pub was: &'static str,
    /// How often it was allowed.
    pub connections: u64,
    /// How many of its packets were denied, or would have been but for audit mode.
    pub packets_denied: u64,
    /// When it was last seen, RFC 3339.
    pub last: Option<String>,
}

/// A connection whose verdict would be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Which one.
    #[serde(flatten)]
    pub recording: Recording,
    /// Who was asked about in the place of pods that have gone: the pod, and the other of its workload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<[String; 2]>,
    /// What the manifests say.
    pub now: Answer,
}

/// A connection that nothing can be said about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotJudged {
    /// Which one.
    #[serde(flatten)]
    pub recording: Recording,
    /// Why.
    pub why: String,
}

impl Recording {
    fn new(connection: &Connection, seen: &Seen) -> Self {
        let both = seen.opened.iter().copied();
        Self {
            from: connection.client.to_string(),
            to: connection.server.to_string(),
            protocol: connection.protocol.to_string(),
            port: connection.port,
            was: seen.verdict().name(),
            connections: both.max().unwrap_or_default(),
            packets_denied: seen.packets_denied(),
            last: seen.last().map(|last| last.to_string()),
        }
    }
}

/// Asks about every connection of a log.
pub fn replay(tracer: &mut Tracer, log: &Log) -> Replay {
    let mut replay = Replay {
        records: log.records,
        lost: log.lost.count(),
        ..Replay::default()
    };
    let ends = Ends::new(tracer, log);
    for (connection, seen) in &log.connections {
        let recording = Recording::new(connection, seen);
        let asked = match ends.question(tracer, connection) {
            Ok(asked) => asked,
            Err(Gone(why)) => {
                replay.gone.push(NotJudged { recording, why });
                continue;
            }
        };
        let why = match tracer.ask(&asked.question) {
            Ok(now) if now.verdict != Verdict::Differs => {
                let judged = Judged {
                    recording,
                    instead: asked.instead,
                    now,
                };
                replay.take(judged, seen.verdict());
                continue;
            }
            Ok(_) => "some backends of the service are reached and others are not".to_owned(),
            Err(error) => error.to_string(),
        };
        replay.unanswered.push(NotJudged { recording, why });
    }
    replay.differing.sort_by_key(|one| one.recording.was);
    replay
}

impl Replay {
    fn take(&mut self, judged: Judged, was: Recorded) {
        let summary = &mut self.summary;
        let (count, differs) = match (was, judged.now.verdict) {
            (Recorded::Allowed, Verdict::Allow) => (&mut summary.still_allowed, false),
            (Recorded::Allowed, _) => (&mut summary.newly_denied, true),
            (_, Verdict::Allow) => (&mut summary.newly_allowed, true),
            _ => (&mut summary.still_denied, false),
        };
        *count += 1;
        if differs {
            self.differing.push(judged);
        }
    }
}
