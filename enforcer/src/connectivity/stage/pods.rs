//! Pods that are made and waited for.

use std::net::IpAddr;
use std::time::Instant;

use k8s_openapi::api::core::v1::{Pod, PodStatus, Service};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use tokio::time::sleep;

use super::{Doors, Stage};
use crate::connectivity::cases::Server;
use crate::connectivity::objects::{self, Seat};
use crate::connectivity::run::{LOOK, START};
use crate::connectivity::{Options, TestError};

/// What a container waits for when it will wait for ever.
const HOPELESS: [&str; 8] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

impl Stage {
    pub(super) async fn start_servers(
        &mut self,
        api: &Client,
        options: &Options,
    ) -> Result<(), TestError> {
        for server in Server::ALL {
            let namespace = self.space(server.home());
            let service = objects::service(server, namespace);
            let services = Api::<Service>::namespaced(api.clone(), namespace);
            let made = services.create(&PostParams::default(), &service).await;
            let made = made.map_err(TestError::api(format!("making service {}", server.name())))?;
            let seat = Seat {
                namespace,
                node: self.node_of(server),
                image: &options.image,
            };
            create(api, &objects::server(server, seat)).await?;
            let spec = made.spec.unwrap_or_default();
            let service = parse(spec.cluster_ips.iter().flatten());
            let doors = Doors {
                pod: Vec::new(),
                service,
            };
            self.servers.insert(server, doors);
        }
        for server in Server::ALL {
            let addresses = running(api, self.space(server.home()), server.name()).await?;
            if let Some(doors) = self.servers.get_mut(&server) {
                doors.pod = addresses;
            }
        }
        Ok(())
    }

    pub(super) async fn start_clients(
        &mut self,
        api: &Client,
        options: &Options,
    ) -> Result<(), TestError> {
        for pod in &self.clients {
            let seat = Seat {
                namespace: self.space(pod.client.home()),
                node: &self.nodes[pod.node],
                image: &options.image,
            };
            let targets = self.targets_of(*pod, &options.cases);
            let timing = options.pace.timing();
            let object = objects::client(pod.client, &pod.to_string(), &targets, timing, seat);
            create(api, &object).await?;
        }
        for pod in self.clients.clone() {
            let namespace = self.space(pod.client.home());
            let addresses = running(api, namespace, &pod.to_string()).await?;
            self.addresses.insert(pod, addresses);
        }
        Ok(())
    }
}

/// Makes a pod. In a new namespace it is refused until the namespace has its service account.
async fn create(api: &Client, pod: &Pod) -> Result<(), TestError> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(api.clone(), namespace);
    let begin = Instant::now();
    loop {
        match pods.create(&PostParams::default(), pod).await {
            Err(kube::Error::Api(status))
                if status.message.contains("service account") && begin.elapsed() < START => {}
            made => {
                let made = made.map(drop);
                return made.map_err(TestError::api(format!("making pod {namespace}/{name}")));
            }
        }
        sleep(LOOK).await;
    }
}

/// Waits until a pod runs, and gives its addresses.
async fn running(api: &Client, namespace: &str, name: &str) -> Result<Vec<IpAddr>, TestError> {
    let pods = Api::<Pod>::namespaced(api.clone(), namespace);
    let only = ListParams::default().fields(&format!("metadata.name={name}"));
    let begin = Instant::now();
    loop {
        let listed = pods.list(&only).await;
        let listed = listed.map_err(TestError::api(format!("listing pods of {namespace}")))?;
        let status = listed.items.into_iter().find_map(|pod| pod.status);
        let status = status.unwrap_or_default();
        let addresses = parse(status.pod_ips.iter().flatten().map(|one| &one.ip));
        if status.phase.as_deref() == Some("Running") && !addresses.is_empty() {
            return Ok(addresses);
        }
        let why = words(&status);
        if status.phase.as_deref() == Some("Failed") || HOPELESS.iter().any(|one| why.contains(one))
        {
            let pod = format!("{namespace}/{name}");
            return Err(TestError::Pod { pod, why });
        }
        if begin.elapsed() > START {
            let what = format!("pod {namespace}/{name} runs");
            let why = format!(", {why}");
            let patience = START;
            return Err(TestError::Waiting {
                what,
                why,
                patience,
            });
        }
        sleep(LOOK).await;
    }
}

/// What a pod's status says about why it does not run.
fn words(status: &PodStatus) -> String {
    let mut words = vec![status.phase.clone().unwrap_or_else(|| "not there".into())];
    let conditions = status.conditions.iter().flatten();
    let missing = conditions.filter(|one| one.status == "False");
    words.extend(missing.filter_map(|one| one.message.clone()));
    let containers = status.container_statuses.iter().flatten();
    for state in containers.filter_map(|one| one.state.as_ref()) {
        if let Some(waiting) = &state.waiting {
            words.extend(waiting.reason.clone());
            words.extend(waiting.message.clone());
        }
        if let Some(ended) = &state.terminated {
            words.push(format!("ended with {}", ended.exit_code));
            words.extend(ended.message.clone());
        }
    }
    words.join(": ")
}

fn parse<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<IpAddr> {
    texts.filter_map(|text| text.parse().ok()).collect()
}
