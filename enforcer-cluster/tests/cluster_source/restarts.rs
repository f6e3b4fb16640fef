//! Servers that end, die, freeze, and come back as they were long ago.

use std::fs;
use std::path::Path;

use enforcer_cluster::Part;

use super::watcher::Watcher;
use super::world::World;

#[tokio::test]
async fn a_restarted_api_server_is_taken_up_and_nothing_is_lost() {
    let mut world = World::new();
    world.create("stays");
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    for kill in [false, true] {
        if kill {
            world.plane.kill_part(Part::ApiServer);
        } else {
            world.plane.stop_part(Part::ApiServer).unwrap();
        }
        watcher
            .until("told", |watcher| {
                watcher.complains(&["changes of namespaces are not seen"])
            })
            .await;
        watcher
            .while_so("it stays", |watcher| watcher.has_namespace("stays"))
            .await;
        world.plane.start_part(Part::ApiServer).unwrap();
        let name = format!("after-{kill}");
        world.create(&name);
        watcher
            .until("created", |watcher| watcher.has_namespace(&name))
            .await;
        watcher.recover().await;
    }
    assert_eq!(watcher.gone, 0);
}

#[tokio::test]
async fn without_its_store_the_server_changes_nothing() {
    let mut world = World::new();
    world.create("stays");
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    world.plane.kill_part(Part::Etcd);
    watcher
        .while_so("it stays", |watcher| watcher.has_namespace("stays"))
        .await;
    world.plane.start_part(Part::Etcd).unwrap();
    world.plane.start_part(Part::ApiServer).unwrap();
    world.create("after");
    watcher
        .until("created", |watcher| watcher.has_namespace("after"))
        .await;
    assert_eq!(watcher.gone, 0);
}

#[tokio::test]
async fn a_daemon_that_starts_without_a_server_waits_for_it() {
    let mut world = World::new();
    world.create("one");
    world.plane.stop_part(Part::ApiServer).unwrap();
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher
        .until("told", |watcher| {
            watcher.complains(&["waiting for the API server", "pods not listed yet"])
        })
        .await;
    assert!(!watcher.is_synced());
    world.plane.start_part(Part::ApiServer).unwrap();
    watcher.sync().await;
    assert!(watcher.has_namespace("one"));
    watcher.recover().await;
}

#[tokio::test]
async fn a_store_that_was_restored_from_a_backup_is_noticed() {
    let mut world = World::new();
    world.create("old");
    let data = world.plane.directory().join("data");
    let backup = world.plane.directory().join("backup");
    world.plane.stop_part(Part::ApiServer).unwrap();
    world.plane.stop_part(Part::Etcd).unwrap();
    copy(&data, &backup);
    world.plane.start_part(Part::Etcd).unwrap();
    world.plane.start_part(Part::ApiServer).unwrap();
    for number in 0..50 {
        world.create(&format!("lost-{number}"));
    }
    let mut watcher = Watcher::start(world.kubeconfig()).await;
    watcher.sync().await;
    assert!(watcher.has_namespace("lost-49"));
    world.plane.stop_part(Part::ApiServer).unwrap();
    world.plane.stop_part(Part::Etcd).unwrap();
    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    world.plane.start_part(Part::Etcd).unwrap();
    world.plane.start_part(Part::ApiServer).unwrap();
    world.create("new");
    watcher
        .until("as it is now", |watcher| {
            watcher.has_namespace("old")
                && watcher.has_namespace("new")
                && !watcher.has_namespace("lost-49")
        })
        .await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
