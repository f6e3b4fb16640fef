//! The requests of the report task to the API server.

use enforcer_policy::model::PodKey;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams,
    PostParams, Preconditions,
};
use kube::{Client, Resource as _};

use super::failure::{Failure, answer};
use super::name::{label_value, object_name};
use super::object::{NODE_LABEL, PolicyEnforcement};
use super::observed::PolicyName;

/// The field manager of what this daemon applies.
const MANAGER: &str = "enforcer";

/// Objects in one page of a list.
const PAGE: u32 = 500;

/// The API server, as the daemon of one node sees it.
#[derive(Clone)]
pub(super) struct Server {
    client: Client,
    node: String,
}

/// An object of this node: one that can be understood, or the place of one that cannot.
pub(super) enum Own {
    /// It can be understood.
    Object(Box<PolicyEnforcement>),
    /// It cannot; with its namespace and name.
    Strange(String, String),
}

impl Server {
    /// With a client, for a node.
    pub(super) fn new(client: Client, node: &str) -> Self {
        Self {
            client,
            node: node.to_owned(),
        }
    }

    /// The node's name.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The objects of this node.
    pub(super) async fn own(&self) -> Result<Vec<Own>, Failure> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource());
        let mut params = of_node(&self.node);
        let mut all = Vec::new();
        loop {
            let page = answer(api.list(&params)).await?;
            all.extend(page.items.into_iter().map(understand));
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return Ok(all);
            }
        }
    }

    /// The metadata of the objects of a node, or of all nodes; one page, and how to go on.
    pub(super) async fn page(
        &self,
        node: Option<&str>,
        token: Option<String>,
    ) -> Result<(Vec<ObjectMeta>, Option<String>), Failure> {
        let api: Api<PolicyEnforcement> = Api::all(self.client.clone());
        let mut params = node.map_or_else(|| ListParams::default().limit(PAGE), of_node);
        params.continue_token = token;
        let page = answer(api.list_metadata(&params)).await?;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        let items = page.items.into_iter().map(|object| object.metadata);
        Ok((items.collect(), token))
    }

    /// Makes an object what it is to be.
    pub(super) async fn apply(&self, object: &PolicyEnforcement) -> Result<(), Failure> {
        let api: Api<PolicyEnforcement> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::default_namespaced(self.client.clone()),
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(object);
        answer(api.patch_metadata(&name, &params, &patch)).await?;
        Ok(())
    }

    /// Deletes this node's object about a policy. Whether there was one does not matter.
    pub(super) async fn delete(&self, policy: &PolicyName) -> Result<(), Failure> {
        let name = object_name(&policy.name, &self.node);
        self.remove(&policy.namespace, &name, None).await?;
        Ok(())
    }

    /// Deletes an object, the one with the `uid` where one is given. Says whether there was one.
    pub(super) async fn remove(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<String>,
    ) -> Result<bool, Failure> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource());
        let params = DeleteParams {
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        match answer(api.delete(name, &params)).await {
            Ok(_) => Ok(true),
            Err(Failure::Object(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Whether there is a node of this name.
    pub(super) async fn has_node(&self, node: &str) -> Result<bool, Failure> {
        let api: Api<Node> = Api::all(self.client.clone());
        let found = answer(api.get_metadata_opt(node)).await?;
        Ok(found.is_some())
    }

    /// The uid of a pod, if there is one.
    pub(super) async fn uid_of(&self, pod: &PodKey) -> Result<Option<String>, Failure> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        let found = answer(api.get_metadata_opt(&pod.name)).await?;
        Ok(found.and_then(|pod| pod.metadata.uid))
    }

    /// The uid of the NetworkPolicy of this name, if there is one.
    pub(super) async fn uid_of_policy(
        &self,
        policy: &PolicyName,
    ) -> Result<Option<String>, Failure> {
        let api: Api<NetworkPolicy> = Api::namespaced(self.client.clone(), &policy.namespace);
        let found = answer(api.get_metadata_opt(&policy.name)).await?;
        Ok(found.and_then(|policy| policy.metadata.uid))
    }

    /// Makes an Event.
    pub(super) async fn tell(&self, event: &Event) -> Result<(), Failure> {
        let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        answer(api.create(&PostParams::default(), event)).await?;
        Ok(())
    }
}

fn resource() -> ApiResource {
    ApiResource {
        group: PolicyEnforcement::group(&()).into_owned(),
        version: PolicyEnforcement::version(&()).into_owned(),
        api_version: PolicyEnforcement::api_version(&()).into_owned(),
        kind: PolicyEnforcement::kind(&()).into_owned(),
        plural: PolicyEnforcement::plural(&()).into_owned(),
    }
}

fn of_node(node: &str) -> ListParams {
    let selector = format!("{NODE_LABEL}={}", label_value(node));
    ListParams::default().labels(&selector).limit(PAGE)
}

fn understand(object: DynamicObject) -> Own {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let name = object.metadata.name.clone().unwrap_or_default();
    match object.try_parse() {
        Ok(object) => Own::Object(Box::new(object)),
        Err(_) => Own::Strange(namespace, name),
    }
}
