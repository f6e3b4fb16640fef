//! Pods whose start is held: what the CNI plugin says goes into the model, and it is answered when
//! the endpoint is in force.

use std::collections::BTreeSet;

use enforcer_cni::protocol::{Attachment, Held, Hold};
use enforcer_policy::model::{Change, PodKey};
use tokio::sync::oneshot;

use super::Daemon;
use crate::api::holds::HoldQuestion;
use crate::claims::Claim;
use crate::datapath::discover::Namespace;

/// A plugin that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    attachment: Attachment,
    /// How many looks for links had begun when it came.
    since: u64,
    answer: oneshot::Sender<Held>,
}

/// How an attachment stands.
enum Standing {
    InForce,
    /// It may come.
    NotYet(String),
    /// It will not come with the link as it was when it was last looked at.
    Unenforceable(String),
    /// It will not come, as things are.
    Never(String),
}

impl From<Standing> for Held {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::InForce => Self {
                in_force: true,
                why: None,
            },
            Standing::NotYet(why) | Standing::Unenforceable(why) | Standing::Never(why) => Self {
                in_force: false,
                why: Some(why),
            },
        }
    }
}

impl Daemon {
    pub(super) fn answer_plugin(&mut self, question: HoldQuestion) {
        match question {
            HoldQuestion::Hold { hold, answer } => self.hold(hold, answer),
            HoldQuestion::Look { attachment, answer } => {
                let _ = answer.send(self.standing(&attachment).into());
            }
            HoldQuestion::Release(release, answer) => {
                self.claims.release(&release.attachment);
                self.forget_gone_claims();
                let _ = answer.send(Held::default());
            }
            HoldQuestion::Retain(retain, answer) => {
                let valid: BTreeSet<_> = retain.attachments.into_iter().collect();
                self.claims.retain(&retain.network, &valid);
                self.forget_gone_claims();
                let _ = answer.send(Held::default());
            }
        }
    }

    fn hold(&mut self, hold: Hold, answer: oneshot::Sender<Held>) {
        let attachment = hold.attachment.clone();
        if !attachment.is_valid() {
            let why = "the names of container and link are not what CNI allows".to_owned();
            let _ = answer.send(Standing::Never(why).into());
            return;
        }
        if self.claims.file(&hold).is_none() {
            let why = format!(
                "the daemon does not see the network namespace {}: it needs the directory of the \
                 container runtime's namespaces, or the processes of the node",
                hold.netns.display()
            );
            let _ = answer.send(Standing::Never(why).into());
            return;
        }
        let key = PodKey {
            namespace: hold.namespace.as_str().into(),
            name: hold.pod.as_str().into(),
        };
        let known = self.compiler.cluster().pods.get(&key);
        if let Err(error) = self.claims.put(hold, known) {
            tracing::error!(pod = %key, %error, "a pod's start cannot be held");
            let _ = answer.send(Standing::Never(error.to_string()).into());
            return;
        }
        self.waiters.push(Waiter {
            attachment,
            since: self.looks,
            answer,
        });
        self.claimed.insert(key);
    }

    /// Brings new claims into force, and answers those whose waiting has an end.
    pub(super) fn advance_holds(&mut self) {
        if self.claimed.is_empty() {
            return self.answer_holds();
        }
        let claimed = std::mem::take(&mut self.claimed);
        self.amend(claimed);
        self.answer_holds();
        // Whoever waits still may have a link that the last look did not find.
        if !self.waiters.is_empty() {
            self.look.notify_one();
        }
    }

    /// Brings what claims say about these pods into force.
    pub(super) fn amend(&mut self, pods: impl IntoIterator<Item = PodKey>) {
        let mut changes = Vec::new();
        for key in pods {
            if let Some(pod) = self.compiler.cluster().pods.get(&key) {
                let mut pod = self.claims.original(&key, pod);
                self.claims.amend(&key, &mut pod);
                changes.push(Change::Pod(key, Some(pod)));
            } else {
                self.claims.lost(&key);
            }
        }
        let keys = super::keys_of_pods(&changes);
        let ops = self.compiler.apply(changes);
        self.note_pods(keys);
        self.writer.apply(&ops, self.compiler.tables());
        self.follow();
    }

    /// Gives pods, as their source has them, the addresses of their claims.
    pub(super) fn amend_changes(&mut self, changes: &mut [Change]) {
        for change in changes {
            match change {
                Change::Pod(key, Some(pod)) => self.claims.amend(key, pod),
                Change::Pod(key, None) => self.claims.lost(key),
                _ => {}
            }
        }
    }

    /// Forgets claims of containers that are gone.
    pub(super) fn forget_gone_claims(&mut self) {
        let pods = self.claims.forget_gone(self.matcher.links());
        if !pods.is_empty() {
            self.amend(pods);
        }
    }

    fn answer_holds(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            if waiter.answer.is_closed() {
                continue;
            }
            match self.standing(&waiter.attachment) {
                Standing::NotYet(_) => self.waiters.push(waiter),
                // The look may have found a link that was only half made.
                Standing::Unenforceable(_) if waiter.since == self.looks => {
                    self.waiters.push(waiter);
                }
                decided => {
                    let _ = waiter.answer.send(decided.into());
                }
            }
        }
    }

    fn standing(&self, attachment: &Attachment) -> Standing {
        let Some(claim) = self.claims.get(attachment) else {
            return Standing::Never("the container is gone".to_owned());
        };
        let key = claim.pod();
        let Some(pod) = self.compiler.cluster().pods.get(&key) else {
            return Standing::NotYet(format!("nothing is known of the pod {key} yet"));
        };
        if !claim.is_of(pod) {
            return Standing::NotYet(format!("what is known is another pod of the name {key}"));
        }
        if !pod.is_selectable() {
            return Standing::Never(format!("{key} has ended, or has the node's network"));
        }
        let spaces = &self.matcher.links().namespaces;
        match spaces.iter().find(|space| space.id == claim.netns()) {
            Some(space) => self.standing_in(space, claim, &key),
            None => Standing::NotYet(format!(
                "the network namespace {} is not found from here",
                claim.hold.netns.display()
            )),
        }
    }

    fn standing_in(&self, space: &Namespace, claim: &Claim, key: &PodKey) -> Standing {
        let ifname = &claim.hold.attachment.ifname;
        let mut unenforceable = space.unenforceable.iter();
        if let Some(link) = unenforceable.find(|link| link.pod_ifname == *ifname) {
            return Standing::Unenforceable(link.to_string());
        }
        let mut links = space.links.iter();
        let Some(link) = links.find(|link| link.pod_ifname == *ifname) else {
            return Standing::NotYet(format!("there is no link {ifname} yet"));
        };
        let failure = self
            .writer
            .failures()
            .find(|failed| failed.0 == link.host_ifindex);
        if let Some((_, _, why)) = failure {
            return Standing::NotYet(format!("{}: {why}", link.host_name));
        }
        if self.writer.broken().is_none() && self.writer.enforces(link.host_ifindex, key) {
            return Standing::InForce;
        }
        let why = self.matcher.matching().not_enforced(key);
        Standing::NotYet(why.unwrap_or_else(|| format!("{} is not attached yet", link.host_name)))
    }
}
