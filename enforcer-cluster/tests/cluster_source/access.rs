//! Who may read what, and tokens that expire.

use std::time::Duration;

use enforcer_cluster::{Account, Ending};

use super::watcher::{Watcher, pause};
use super::world::World;

const HOUR: Duration = Duration::from_secs(3600);

const ROLE: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [nodes, namespaces, services, PODS], verbs: [list, watch]}
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
"#;

/// A service account that may read everything, with this resource in the place of pods.
fn reader(world: &World, pods: &str) -> Account {
    let plane = &world.plane;
    let words = ["create", "serviceaccount", "reader"];
    plane.kubectl(&words).unwrap();
    plane.apply(&ROLE.replace("PODS", pods)).unwrap();
    let url = world.proxy.url();
    plane
        .service_account_kubeconfig("default", "reader", HOUR, &url)
        .unwrap()
}

#[tokio::test]
async fn a_missing_verb_is_told_with_what_to_allow_and_taken_up_when_it_is_allowed() {
    let world = World::new();
    let account = reader(&world, "events");
    let mut watcher = Watcher::start(account.kubeconfig()).await;
    watcher
        .until("told", |watcher| {
            watcher.complains(&[
                "pods",
                "cannot watch",
                "ClusterRole",
                "verbs [\"list\", \"watch\"]",
            ]) && watcher.faults().len() == 1
        })
        .await;
    watcher
        .while_so("nothing is taken", |watcher| {
            !watcher.is_synced() && watcher.cluster.namespaces.is_empty()
        })
        .await;
    world.plane.apply(&ROLE.replace("PODS", "pods")).unwrap();
    watcher.sync().await;
    watcher.recover().await;
}

#[tokio::test]
async fn a_token_that_has_expired_is_read_anew() {
    let world = World::new();
    let account = reader(&world, "pods");
    let over = world
        .plane
        .short_token("default", "reader", Duration::ZERO)
        .unwrap();
    account.put_token(&over).unwrap();
    let mut watcher = Watcher::start(account.kubeconfig()).await;
    watcher
        .until("told", |watcher| {
            watcher.complains(&["pods not listed yet", "credentials"])
        })
        .await;
    let token = world.plane.token("default", "reader", HOUR).unwrap();
    account.put_token(&token).unwrap();
    watcher.sync().await;
    watcher.recover().await;
}

#[tokio::test]
async fn a_token_that_expires_while_watching_changes_nothing_until_it_is_exchanged() {
    let world = World::new();
    let account = reader(&world, "pods");
    let seconds = Duration::from_secs(8);
    let short = world
        .plane
        .short_token("default", "reader", seconds)
        .unwrap();
    account.put_token(&short).unwrap();
    let mut watcher = Watcher::start(account.kubeconfig()).await;
    watcher.sync().await;
    // The server remembers for ten seconds that it was good.
    pause(seconds + Duration::from_secs(11)).await;
    world.proxy.end_watches(Ending::Cut);
    watcher
        .until("told", |watcher| {
            watcher.complains(&["changes of namespaces are not seen", "credentials"])
        })
        .await;
    let token = world.plane.token("default", "reader", HOUR).unwrap();
    account.put_token(&token).unwrap();
    world.create("after");
    watcher
        .until("created", |watcher| watcher.has_namespace("after"))
        .await;
    watcher.recover().await;
    assert_eq!(watcher.gone, 0);
}
