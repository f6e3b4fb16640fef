//! The control plane itself. Needs the programs of `cargo xtask envtest`, and root.

use std::time::Instant;

use enforcer_cluster::{ControlPlane, Options, Part};

const SHOP: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";

#[test]
fn a_control_plane_starts_and_takes_objects_and_leaves_nothing() {
    let begin = Instant::now();
    let plane = ControlPlane::start(&Options::default()).unwrap();
    println!("started in {:?}", begin.elapsed());
    assert_eq!(plane.apply(SHOP).unwrap().trim(), "namespace/shop created");
    let version = plane.kubectl(&["version"]).unwrap();
    assert!(version.contains("Server Version: v1."), "{version}");
    let directory = plane.directory().to_owned();
    assert!(directory.exists());
    drop(plane);
    assert!(!directory.exists());
}

#[test]
fn a_control_plane_keeps_its_data_when_its_servers_are_killed_and_stopped() {
    let mut plane = ControlPlane::start(&Options::default()).unwrap();
    plane.apply(SHOP).unwrap();
    for part in [Part::Etcd, Part::ApiServer] {
        plane.kill_part(part);
        assert!(
            plane.kubectl(&["get", "namespace", "shop"]).is_err(),
            "{part:?}"
        );
        plane.start_part(part).unwrap();
        plane.start_part(Part::ApiServer).unwrap();
        plane.kubectl(&["get", "namespace", "shop"]).unwrap();
    }
    for part in [Part::Controllers, Part::ApiServer, Part::Etcd] {
        plane.stop_part(part).unwrap();
    }
    for part in [Part::Etcd, Part::ApiServer, Part::Controllers] {
        plane.start_part(part).unwrap();
    }
    plane.kubectl(&["get", "namespace", "shop"]).unwrap();
    // Emptied and removed by the controllers.
    plane.delete(SHOP).unwrap();
}

#[test]
fn a_server_that_does_not_start_is_named_with_the_end_of_its_log() {
    let options = Options {
        api_server: vec!["--no-such-flag".into()],
        ..Options::default()
    };
    let error = ControlPlane::start(&options).unwrap_err().to_string();
    assert!(
        error.starts_with("kube-apiserver ended at its start"),
        "{error}"
    );
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}

#[test]
fn pods_need_no_service_account_where_no_controllers_run() {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n\
               spec: {containers: [{name: web, image: web}]}\n";
    assert_eq!(plane.apply(pod).unwrap().trim(), "pod/web created");
}
