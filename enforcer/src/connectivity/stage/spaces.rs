//! The test's namespaces: made by it, and removed only if they are its own.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};

use crate::connectivity::cases::Home;
use crate::connectivity::{OURS, TestError, objects};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// The names of both.
#[derive(Clone, Debug)]
pub(in crate::connectivity) struct Spaces {
    main: String,
    other: String,
}

impl Spaces {
    /// The one that the user names, and another beside it.
    pub(in crate::connectivity) fn new(main: &str) -> Self {
        Self {
            main: main.to_owned(),
            other: format!("{main}-other"),
        }
    }

    pub(in crate::connectivity) fn of(&self, home: Home) -> &str {
        match home {
            Home::Main => &self.main,
            Home::Other => &self.other,
        }
    }

    fn names(&self) -> [&str; 2] {
        [&self.main, &self.other]
    }

    /// Fails if one of them is somebody else's, before anything is touched.
    pub(in crate::connectivity) async fn check(&self, api: &Client) -> Result<(), TestError> {
        for name in self.names() {
            if find(api, name).await?.is_some_and(|found| !is_ours(&found)) {
                return Err(TestError::NotOurs(name.to_owned()));
            }
        }
        Ok(())
    }

    /// Makes both.
    pub(in crate::connectivity) async fn create(&self, api: &Client) -> Result<(), TestError> {
        let all = Api::<Namespace>::all(api.clone());
        for name in self.names() {
            let made = all
                .create(&PostParams::default(), &objects::namespace(name))
                .await;
            made.map_err(TestError::api(format!("making namespace {name}")))?;
        }
        Ok(())
    }

    /// Deletes those of them that are ours and waits until they are gone.
    pub(in crate::connectivity) async fn remove(
        &self,
        api: &Client,
        patience: Duration,
    ) -> Result<(), TestError> {
        let all = Api::<Namespace>::all(api.clone());
        for name in self.names() {
            let Some(found) = find(api, name).await?.filter(is_ours) else {
                continue;
            };
            // Nobody else's of the same name, made a moment ago.
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: found.metadata.uid,
                    ..Preconditions::default()
                }),
                ..DeleteParams::default()
            };
            match all.delete(name, &params).await {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                deleted => {
                    deleted.map_err(TestError::api(format!("deleting namespace {name}")))?;
                }
            }
        }
        self.wait_gone(api, patience).await
    }

    async fn wait_gone(&self, api: &Client, patience: Duration) -> Result<(), TestError> {
        let begin = Instant::now();
        for name in self.names() {
            while let Some(found) = find(api, name).await?.filter(is_ours) {
                if begin.elapsed() > patience {
                    return Err(TestError::Waiting {
                        what: format!("namespace {name} is gone"),
                        why: leftovers(&found),
                        patience,
                    });
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }
}

async fn find(api: &Client, name: &str) -> Result<Option<Namespace>, TestError> {
    let found = Api::<Namespace>::all(api.clone()).get_opt(name).await;
    found.map_err(TestError::api(format!("reading namespace {name}")))
}

fn is_ours(namespace: &Namespace) -> bool {
    let labels = namespace.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(OURS))
}

/// What the namespace controller says that it waits for.
fn leftovers(namespace: &Namespace) -> String {
    let status = namespace.status.iter();
    let conditions = status.flat_map(|status| status.conditions.iter().flatten());
    let waiting = conditions.filter(|condition| condition.status == "True");
    let messages = waiting.filter_map(|condition| condition.message.as_deref());
    messages.flat_map(|message| [", ", message]).collect()
}
