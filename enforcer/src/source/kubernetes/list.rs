//! All objects of a cluster, listed once.

use std::time::Duration;

use enforcer_policy::model::Cluster;
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use tokio::time::timeout;

use super::decode::{self, Page};
use super::failure::Failure;
use super::kinds::{
    EndpointSlices, Namespaces, NetworkPolicies, Nodes, Pods, Resource, Services, Watched,
};
use super::message::News;
use crate::source::problem::Problem;

/// Objects in a page.
const PAGE: u32 = 500;

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
#[error("cannot list {what}: {why}")]
pub struct ListError {
    what: &'static str,
    why: String,
}

/// Lists the objects that matter to policies, and says what is wrong with some: these are left out.
///
/// # Errors
/// When a kind cannot be listed.
pub async fn list(client: &Client) -> Result<(Cluster, Vec<Problem>), ListError> {
    let mut found = Found::default();
    found.list::<Nodes>(client).await?;
    found.list::<Namespaces>(client).await?;
    found.list::<Pods>(client).await?;
    found.list::<NetworkPolicies>(client).await?;
    found.list::<Services>(client).await?;
    found.list::<EndpointSlices>(client).await?;
    Ok((found.cluster, found.problems))
}

#[derive(Default)]
struct Found {
    cluster: Cluster,
    problems: Vec<Problem>,
}

impl Found {
    async fn list<W: Watched>(&mut self, client: &Client) -> Result<(), ListError> {
        let resource = Resource::of(W::KIND);
        let listed = self.pages::<W>(client, resource).await;
        listed.map_err(|failure| ListError {
            what: resource.plural,
            why: failure.to_string(),
        })
    }

    async fn pages<W: Watched>(
        &mut self,
        client: &Client,
        resource: Resource,
    ) -> Result<(), Failure> {
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let request = Request::new(resource.path()).list(&params);
            let request = request.map_err(|error| Failure::Invalid(error.to_string()))?;
            let answer = timeout(PATIENCE, client.request_text(request)).await;
            let text = answer.map_err(|_| Failure::Silent(PATIENCE))?;
            let text = text.map_err(|error| Failure::of_client(error, resource, "list"))?;
            let page: Page<'_> = serde_json::from_str(&text).map_err(Failure::Unintelligible)?;
            for item in page.items.iter().flatten() {
                self.take(decode::item::<W>(item).map_err(Failure::Unintelligible)?);
            }
            match page.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => params.continue_token = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Put { change, .. } => drop(self.cluster.apply(change)),
            News::Refused(_, mut problems) => self.problems.append(&mut problems),
            _ => {}
        }
    }
}
