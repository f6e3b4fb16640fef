//! Whether the `DaemonSet` that this daemon belongs to is being removed.
//!
//! A pod that is told to stop cannot know why: the node restarts, the daemon is upgraded, or the
//! product is uninstalled. In the first two cases what is attached must stay; in the last it must go,
//! or pods would be judged for ever by policies that nobody changes any more. So the daemon watches
//! its `DaemonSet`: deleting it is seen here before its pods are stopped, because the garbage
//! collector stops them after it.

use std::fmt;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::watch;

/// How long to wait after a failure, and at most after several.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(120);

/// The name of a `DaemonSet`: `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Words that name no `DaemonSet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write NAMESPACE/NAME, such as enforcer-system/enforcer")]
pub struct NameError;

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(NameError),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is known of the `DaemonSet`.
///
/// One that was never seen says nothing: its name may be wrong, and who misspells a name must not lose
/// his policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Presence {
    /// It was there once.
    seen: bool,
    /// It is in the list that is being read.
    listed: bool,
    /// It is deleted, or about to be.
    going: bool,
}

impl Presence {
    /// Takes over what the watch tells of it.
    fn take<K: Resource>(&mut self, event: &Event<K>) {
        match event {
            Event::Init => self.listed = false,
            Event::InitApply(it) | Event::Apply(it) => {
                *self = Self {
                    seen: true,
                    listed: true,
                    going: it.meta().deletion_timestamp.is_some(),
                };
            }
            Event::InitDone => self.going |= self.seen && !self.listed,
            Event::Delete(_) => self.going = true,
        }
    }
}

/// Follows the `DaemonSet` on a task of its own. The value is whether it is being removed, and stays
/// what it was while the API server cannot be asked.
pub fn follow(client: Client, name: Name) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let api = Api::<PartialObjectMeta<DaemonSet>>::namespaced(client, &name.namespace);
    let only = Config::default().fields(&format!("metadata.name={}", name.name));
    tokio::spawn(async move {
        let mut events = pin!(watcher(api, only));
        let mut presence = Presence::default();
        let mut pause = FIRST_PAUSE;
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if !matches!(event, Event::Init) {
                        pause = FIRST_PAUSE;
                    }
                    presence.take(&event);
                    if !sender.send_replace(presence.going) && presence.going {
                        tracing::info!(
                            daemonset = %name,
                            "the own DaemonSet is being deleted: what is attached goes when this daemon stops"
                        );
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        daemonset = %name, %error,
                        "cannot watch the own DaemonSet; if it is deleted meanwhile, what is attached stays in force"
                    );
                    // The watch goes on only when it is asked for more.
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn it() -> DaemonSet {
        DaemonSet::default()
    }

    fn deleting() -> DaemonSet {
        let mut it = it();
        it.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        it
    }

    fn going(events: Vec<Event<DaemonSet>>) -> bool {
        let mut presence = Presence::default();
        for event in events {
            presence.take(&event);
        }
        presence.going
    }

    #[test]
    fn one_that_is_deleted_or_marked_for_it_is_going() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        assert!(!going(vec![Init, InitApply(it()), InitDone, Apply(it())]));
        assert!(going(vec![Init, InitApply(it()), InitDone, Delete(it())]));
        assert!(going(vec![Init, InitApply(deleting()), InitDone]));
        assert!(going(vec![Apply(it()), Apply(deleting())]));
    }

    #[test]
    fn one_that_is_missing_from_a_later_list_is_going() {
        use Event::{Init, InitApply, InitDone};
        assert!(going(vec![Init, InitApply(it()), InitDone, Init, InitDone]));
        assert!(
            !going(vec![Init, InitApply(it()), InitDone, Init]),
            "half a list"
        );
    }

    #[test]
    fn one_that_was_never_seen_says_nothing() {
        assert!(!going(vec![Event::Init, Event::InitDone]));
    }

    #[test]
    fn one_that_is_made_again_stays() {
        use Event::{Apply, Delete};
        assert!(!going(vec![Apply(it()), Delete(it()), Apply(it())]));
    }

    #[test]
    fn a_name_has_a_namespace() {
        let name: Name = "enforcer-system/enforcer".parse().unwrap();
        assert_eq!(name.to_string(), "enforcer-system/enforcer");
        for wrong in ["enforcer", "/enforcer", "a/", "a/b/c", ""] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }
}
