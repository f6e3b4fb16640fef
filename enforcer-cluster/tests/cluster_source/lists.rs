//! Lists: streaming where the server has them, pages where it has not, and whole or not at all.

use enforcer_cluster::{Fault, Request};
use serde_json::json;

use super::watcher::Watcher;
use super::world::World;

/// More than two pages of the daemon's.
const MANY: usize = 600;

fn streams(request: &Request, resource: &str) -> bool {
    request.watches(resource) && request.parameter("sendInitialEvents") == Some("true")
}

/// Many namespaces at once.
fn fill(world: &World) {
    let items: Vec<_> = (0..MANY)
        .map(|number| {
            json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": format!("many-{number}")}})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let words = ["create", "-f", "-"];
    let admin = world.plane.kubeconfig();
    world
        .plane
        .kubectl_with(admin, &words, &list.to_string())
        .unwrap();
}

fn many(watcher: &Watcher) -> usize {
    let names = watcher.cluster.namespaces.keys();
    names.filter(|name| name.starts_with("many-")).count()
}

#[tokio::test]
async fn lists_come_as_streams_and_changes_follow_on_the_same_watch() {
    let world = World::new();
    world.create("one");
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    assert!(watcher.has_namespace("one") && watcher.faults().is_empty());
    world.create("two");
    watcher
        .until("created", |watcher| watcher.has_namespace("two"))
        .await;
    world.delete("one");
    watcher
        .until("deleted", |watcher| !watcher.has_namespace("one"))
        .await;
    let kinds = [
        "nodes",
        "namespaces",
        "pods",
        "networkpolicies",
        "services",
        "endpointslices",
    ];
    for kind in kinds {
        assert_eq!(world.count(|one| streams(one, kind)), 1, "{kind}");
    }
    // Silence is checked by a list of one object.
    let whole = |one: &Request| {
        one.method == "GET" && !one.is_watch() && one.parameter("limit") != Some("1")
    };
    assert_eq!(world.count(whole), 0);
}

#[tokio::test]
async fn where_there_are_no_streaming_lists_pages_are_read() {
    let world = World::with_flags(&["--feature-gates=WatchList=false"]);
    fill(&world);
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    assert_eq!(many(&watcher), MANY);
    let next = |one: &Request| one.lists("namespaces") && one.parameter("continue").is_some();
    assert_eq!(world.count(next), 2);
    world.create("more");
    watcher
        .until("created", |watcher| watcher.has_namespace("more"))
        .await;
}

#[tokio::test]
async fn a_server_that_hangs_at_streaming_lists_is_asked_for_pages() {
    let world = World::new();
    world.create("one");
    world
        .proxy
        .fail(100, Fault::Hang, |one| streams(one, "namespaces"));
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    assert!(watcher.has_namespace("one"));
    assert!(world.count(|one| one.lists("namespaces")) > 0);
}

#[tokio::test]
async fn half_a_streaming_list_is_none() {
    let world = World::new();
    fill(&world);
    world
        .proxy
        .fail(2, Fault::CutBody(20_000), |one| streams(one, "namespaces"));
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher
        .until("the list broke off", |watcher| {
            watcher.complains(&["namespaces", "not listed yet since"])
        })
        .await;
    assert_eq!(many(&watcher), 0);
    watcher
        .until("all or nothing", |watcher| {
            assert!([0, MANY].contains(&many(watcher)));
            watcher.is_synced()
        })
        .await;
    assert_eq!((many(&watcher), world.proxy.heal()), (MANY, 0));
}

#[tokio::test]
async fn half_a_page_and_a_page_whose_list_has_expired_begin_the_list_anew() {
    let world = World::with_flags(&["--feature-gates=WatchList=false"]);
    fill(&world);
    let next = |one: &Request| one.lists("namespaces") && one.parameter("continue").is_some();
    world.proxy.fail(1, Fault::CutBody(20_000), next);
    world.proxy.fail(1, Fault::Status(410), next);
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher
        .until("all or nothing", |watcher| {
            assert!([0, MANY].contains(&many(watcher)));
            watcher.is_synced()
        })
        .await;
    assert_eq!((many(&watcher), world.proxy.heal()), (MANY, 0));
}

#[tokio::test]
async fn a_relist_that_breaks_off_removes_nothing() {
    let world = World::new();
    fill(&world);
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    world
        .proxy
        .fail(3, Fault::CutBody(20_000), |one| streams(one, "namespaces"));
    world.proxy.end_watches(enforcer_cluster::Ending::Gone);
    watcher
        .until("the list breaks off", |watcher| {
            watcher.complains(&["changes of namespaces are not seen"])
        })
        .await;
    watcher
        .until("listed", |watcher| {
            assert_eq!(many(watcher), MANY);
            watcher.faults().is_empty()
        })
        .await;
    assert_eq!((watcher.gone, world.proxy.heal()), (0, 0));
}
