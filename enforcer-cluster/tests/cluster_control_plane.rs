//! The control plane itself. Needs the programs of `cargo xtask envtest`, and root.

use std::time::Instant;

use enforcer_cluster::{ControlPlane, Options};

#[test]
fn a_control_plane_starts_and_takes_objects_and_leaves_nothing() {
    let begin = Instant::now();
    let plane = ControlPlane::start(&Options::default()).unwrap();
    println!("started in {:?}", begin.elapsed());
    let said = plane
        .apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
        .unwrap();
    assert_eq!(said.trim(), "namespace/shop created");
    let version = plane.kubectl(&["version"]).unwrap();
    assert!(version.contains("Server Version: v1."), "{version}");
    let directory = plane.directory().to_owned();
    assert!(directory.exists());
    drop(plane);
    assert!(!directory.exists());
}
