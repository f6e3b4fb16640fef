//! What is attached stays when the daemon restarts, and goes when it is uninstalled.

use enforcer_cluster::Options;
use serde_json::json;

use crate::common::{LONG, connects, eventually, ingress, serve};
use crate::world::{World, installed};

#[test]
fn what_is_attached_goes_when_the_daemon_stops_because_its_daemonset_is_deleted() {
    let plane = installed(&Options::default());
    let mut world = World::new(&plane, "uninstall");
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    let to = db.v4().unwrap();
    world.put(&ingress("db", "db", &json!([])));
    world.wait_for_policy("db", true);

    let said = stop(&mut world);
    assert!(said.contains("what is attached stays"), "{said}");
    connects(&web, to, 80, false);

    world.start();
    let words = ["delete", "daemonset", "enforcer", "-n", "enforcer-system"];
    plane.kubectl(&words).unwrap();
    eventually("the daemon has seen it", || {
        let log = world.daemon.as_ref().unwrap().log();
        log.contains("the own DaemonSet is being deleted")
    });
    connects(&web, to, 80, false);
    let said = stop(&mut world);
    assert!(
        said.contains("everything that was attached is removed"),
        "{said}"
    );
    connects(&web, to, 80, true);
}

/// Stops the daemon and gives what it and those before it have logged.
fn stop(world: &mut World) -> String {
    let ended = world.daemon.take().unwrap().stop(LONG).unwrap();
    assert!(ended.unwrap().success());
    std::fs::read_to_string(world.lab.home().join("log")).unwrap()
}
