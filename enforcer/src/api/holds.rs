//! Serving the CNI plugin.

use std::io;
use std::time::Duration;

use enforcer_cni::protocol::{Attachment, Held, Hold, Release, Retain};
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};

use super::server::{Question, send};

/// A question of the CNI plugin to the daemon's loop.
pub enum HoldQuestion {
    /// Answered when the endpoint is in force, or when it is certain that it will not be.
    Hold {
        /// Which.
        hold: Hold,
        /// Where the answer goes.
        answer: oneshot::Sender<Held>,
    },
    /// How it stands now.
    Look {
        /// Which.
        attachment: Attachment,
        /// Where the answer goes.
        answer: oneshot::Sender<Held>,
    },
    /// See [`Release`].
    Release(Release, oneshot::Sender<Held>),
    /// See [`Retain`].
    Retain(Retain, oneshot::Sender<Held>),
}

/// Answers as late as the plugin allows, and then with what is missing.
pub(super) async fn hold(
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
    hold: Hold,
) -> io::Result<()> {
    let wait = Duration::from_millis(hold.wait);
    let attachment = hold.attachment.clone();
    let held = ask(questions, |answer| HoldQuestion::Hold { hold, answer });
    let held = match tokio::time::timeout(wait, held).await {
        Ok(held) => held,
        Err(_) => {
            ask(questions, |answer| HoldQuestion::Look {
                attachment,
                answer,
            })
            .await
        }
    };
    answer(writing, held).await
}

pub(super) async fn release(
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
    release: Release,
) -> io::Result<()> {
    let done = ask(questions, |answer| HoldQuestion::Release(release, answer)).await;
    answer(writing, done).await
}

pub(super) async fn retain(
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
    retain: Retain,
) -> io::Result<()> {
    let done = ask(questions, |answer| HoldQuestion::Retain(retain, answer)).await;
    answer(writing, done).await
}

/// `None` when the daemon is stopping.
async fn ask(
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(oneshot::Sender<Held>) -> HoldQuestion,
) -> Option<Held> {
    let (answer, answered) = oneshot::channel();
    let question = Question::Hold(question(answer));
    questions.send(question).await.ok()?;
    answered.await.ok()
}

/// Nothing, when the daemon is stopping: the plugin asks the next one.
async fn answer(writing: &mut (impl AsyncWrite + Unpin), held: Option<Held>) -> io::Result<()> {
    match held {
        Some(held) => send(writing, &held).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use enforcer_cni::protocol;

    use super::*;
    use crate::api::Request;

    #[test]
    fn the_daemon_understands_what_the_plugin_says() {
        let attachment = Attachment {
            container: "a".to_owned(),
            ifname: "eth0".to_owned(),
        };
        let hold = Hold {
            attachment: attachment.clone(),
            network: "pods".to_owned(),
            namespace: "default".to_owned(),
            pod: "db".to_owned(),
            uid: None,
            netns: "/run/netns/db".into(),
            device: 4,
            inode: 1 << 40,
            addresses: vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
            wait: 10_000,
        };
        let release = Release {
            attachment: attachment.clone(),
        };
        let retain = Retain {
            network: "pods".to_owned(),
            attachments: vec![attachment],
        };
        for (said, understood) in [
            (protocol::Request::Hold(hold.clone()), Request::Hold(hold)),
            (
                protocol::Request::Release(release.clone()),
                Request::Release(release),
            ),
            (
                protocol::Request::Retain(retain.clone()),
                Request::Retain(retain),
            ),
        ] {
            let line = serde_json::to_string(&said).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), understood);
        }
    }
}
