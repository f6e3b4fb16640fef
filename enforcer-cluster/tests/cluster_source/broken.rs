//! Watches that end, in every way that watches end.

use enforcer_cluster::{Ending, Fault, Link, Request};

use super::watcher::{SHORT, Watcher, pause};
use super::world::World;

fn resumes(request: &Request) -> bool {
    request.watches("namespaces") && request.parameter("sendInitialEvents").is_none()
}

fn relists(world: &World) -> usize {
    world.count(|one| one.watches("namespaces") && one.parameter("sendInitialEvents").is_some())
}

#[tokio::test]
async fn a_watch_that_ends_is_taken_up_where_it_was() {
    let world = World::new();
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    for (number, ending) in [Ending::Clean, Ending::Cut].into_iter().enumerate() {
        let name = format!("after-{number}");
        world.proxy.end_watches(ending);
        world.create(&name);
        watcher
            .until("created", |watcher| watcher.has_namespace(&name))
            .await;
        watcher.recover().await;
    }
    assert_eq!((relists(&world), watcher.gone), (1, 0));
    assert!(world.count(resumes) >= 2);
}

#[tokio::test]
async fn what_was_deleted_while_the_server_had_forgotten_is_gone_after_the_list() {
    let world = World::new();
    world.create("stays");
    world.create("goes");
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    for ending in [Ending::Cut, Ending::Gone] {
        let before = relists(&world);
        world.proxy.link(Link::Reset);
        world.proxy.end_watches(ending);
        if ending == Ending::Cut {
            // As an answer, before any event; the other comes as an event.
            world.proxy.fail(1, Fault::Status(410), resumes);
        }
        watcher
            .until("told", |watcher| {
                watcher.complains(&["changes of namespaces are not seen", "cannot be reached"])
            })
            .await;
        world.delete("goes");
        world.create("comes");
        watcher
            .while_so("nothing changes while nobody answers", |watcher| {
                watcher.has_namespace("goes") && !watcher.has_namespace("comes")
            })
            .await;
        world.proxy.link(Link::Open);
        watcher
            .until("as it is", |watcher| {
                assert!(watcher.has_namespace("stays"));
                watcher.has_namespace("comes") && !watcher.has_namespace("goes")
            })
            .await;
        watcher.recover().await;
        assert!(relists(&world) > before);
        // The other way round for the second time.
        world.delete("comes");
        world.create("goes");
        watcher
            .until("prepared", |watcher| {
                watcher.has_namespace("goes") && !watcher.has_namespace("comes")
            })
            .await;
    }
}

#[tokio::test]
async fn a_connection_that_has_died_in_silence_is_noticed() {
    let world = World::new();
    world.create("one");
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    world.proxy.link(Link::BlackHole);
    world.create("two");
    watcher
        .until("told", |watcher| {
            watcher.complains(&["changes of namespaces are not seen", "nothing came"])
        })
        .await;
    assert!(watcher.has_namespace("one") && !watcher.has_namespace("two"));
    world.proxy.link(Link::Open);
    watcher
        .until("seen", |watcher| watcher.has_namespace("two"))
        .await;
    watcher.recover().await;
    assert_eq!(watcher.gone, 0);
}

#[tokio::test]
async fn a_server_with_too_much_to_do_is_asked_again_when_it_wants() {
    let world = World::new();
    world
        .proxy
        .fail(2, Fault::Status(429), |one| one.watches("pods"));
    world
        .proxy
        .fail(1, Fault::Status(503), |one| one.watches("nodes"));
    world
        .proxy
        .fail(1, Fault::Status(500), |one| one.watches("services"));
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher
        .until("told", |watcher| {
            watcher.complains(&["pods not listed yet", "429"])
        })
        .await;
    watcher.sync().await;
    watcher.recover().await;
    assert_eq!(world.proxy.heal(), 0);
    let requests = world.proxy.requests();
    let times: Vec<_> = requests
        .iter()
        .filter(|one| one.watches("pods"))
        .map(|one| one.at)
        .collect();
    assert!(times[1].duration_since(times[0]).as_millis() >= 250);
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let world = World::new();
    world.create("one");
    world.proxy.link(Link::Slow(SHORT));
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    assert!(watcher.has_namespace("one"));
}

#[tokio::test]
async fn a_watch_that_ends_at_once_again_and_again_is_not_begun_without_end() {
    let world = World::new();
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    let before = world.proxy.requests().len();
    // Each of them breaks before it has brought anything.
    world
        .proxy
        .fail(10_000, Fault::CutBody(0), Request::is_watch);
    world.proxy.end_watches(Ending::Clean);
    pause(SHORT * 2).await;
    let after = world.proxy.requests().len();
    assert!(after - before < 60, "{} requests", after - before);
    world.proxy.heal();
    world.create("one");
    watcher
        .until("seen", |watcher| watcher.has_namespace("one"))
        .await;
    watcher.recover().await;
}
