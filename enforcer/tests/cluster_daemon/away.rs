//! The API server and its storage go away and come back.

use std::time::{Duration, Instant};

use enforcer_cluster::{Link, Options, Part};
use serde_json::json;

use crate::common::live::Live;
use crate::common::{LONG, app, connects, ingress, serve, within};
use crate::world::{World, cut_by, installed};

#[test]
fn while_the_api_server_is_away_nothing_is_lifted_and_after_it_everything_goes_on() {
    let mut plane = installed(&Options::default());
    let mut world = World::new(&plane, "away");
    let [db, api, web] = ["db", "api", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    let to = db.v4().unwrap();
    world.put(&ingress("db", "db", &json!([{"from": [app("api")]}])));
    world.wait_for_policy("db", true);
    let live = Live::open("api to db", &api, to, 80);

    for parts in [
        vec![Part::Etcd],
        vec![Part::ApiServer],
        vec![Part::ApiServer, Part::Etcd],
    ] {
        for part in &parts {
            plane.kill_part(*part);
        }
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            connects(&web, to, 80, false);
            connects(&api, to, 80, true);
        }
        live.goes_on();
        for part in [Part::Etcd, Part::ApiServer, Part::Controllers] {
            plane.start_part(part).unwrap();
        }
        within(LONG * 4, "the daemon is up to date", || {
            world.status().faults.is_empty()
        });
        connects(&web, to, 80, false);
        live.goes_on();
    }

    // A daemon that starts without an API server lifts nothing either.
    plane.kill_part(Part::ApiServer);
    world.daemon.take().unwrap().stop(LONG).unwrap().unwrap();
    world.daemon = Some(world.launch());
    std::thread::sleep(Duration::from_secs(2));
    connects(&web, to, 80, false);
    live.goes_on();
    plane.start_part(Part::ApiServer).unwrap();
    within(LONG * 4, "the new daemon knows everything", || {
        let status = world.status();
        status.synced && status.in_force
    });
    live.goes_on();
    cut_by(
        "a policy changed after the API server was away",
        &live,
        || {
            world.put(&ingress("db", "db", &json!([])));
        },
    );
}

#[test]
fn a_node_that_is_cut_off_catches_up_with_what_was_changed_and_deleted_meanwhile() {
    let plane = installed(&Options::default());
    let world = World::new(&plane, "partition");
    let [db, api, web] = ["db", "api", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    let to = db.v4().unwrap();
    let old = ingress("old", "db", &json!([{"from": [app("api")]}]));
    world.put(&old);
    world.wait_for_policy("old", true);
    world.proxy.link(Link::Reset);
    world.proxy.cut();
    world.remove(&old);
    world.put(&ingress("new", "db", &json!([{"from": [app("web")]}])));
    connects(&api, to, 80, true);
    connects(&web, to, 80, false);
    world.proxy.link(Link::Open);
    world.wait_for_policy("new", true);
    world.wait_for_policy("old", false);
    connects(&web, to, 80, true);
    connects(&api, to, 80, false);
}
