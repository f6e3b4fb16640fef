//! The control plane itself. Needs the programs of `cargo xtask envtest`, and root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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
        // Without its storage the API server thinks about it for a minute if it may.
        let get = ["get", "namespace", "shop", "--request-timeout=3s"];
        assert!(plane.kubectl(&get).is_err(), "{part:?}");
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

#[test]
fn nothing_outlives_a_process_that_is_killed() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_enforcer-cluster"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = process.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let directory = Path::new(line.trim()).parent().unwrap();
    // etcd, kube-apiserver, kube-controller-manager, and who cleans up.
    assert_eq!(processes_of(directory), 4);
    process.kill().unwrap();
    process.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while directory.exists() || processes_of(directory) > 0 {
        assert!(
            Instant::now() < end,
            "{} is still in use",
            directory.display()
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// How many processes have this directory in their command line.
fn processes_of(directory: &Path) -> usize {
    let directory = directory.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(directory))
        .count()
}
