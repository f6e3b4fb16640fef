//! The daemon as `deploy/` runs it: with the capabilities of the `DaemonSet` and no other, on a
//! read-only root. Needs root, setpriv, unshare and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use common::{LONG, Node, PROGRAM, connects, deny_all, eventually, has_hook, serve};
use enforcer::datapath::features;
use enforcer_lab::{Families, Shape};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Container;

const MANIFESTS: &str = include_str!("../../deploy/manifests/enforcer.yaml");

/// The daemon's container, as shipped.
fn container() -> Container {
    let (_, rest) = MANIFESTS.split_once("kind: DaemonSet").unwrap();
    let text = rest.split("\n---").next().unwrap();
    let set: DaemonSet =
        serde_saphyr::from_str(&format!("apiVersion: apps/v1\nkind: DaemonSet{text}")).unwrap();
    set.spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .containers
        .remove(0)
}

fn capabilities() -> Vec<String> {
    let context = container().security_context.unwrap();
    assert_eq!(context.privileged, None);
    assert_eq!(context.read_only_root_filesystem, Some(true));
    let capabilities = context.capabilities.unwrap();
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    capabilities.add.unwrap()
}

/// Those that deploy/README.md wants on this kernel.
fn wanted() -> Vec<String> {
    let mut wanted = capabilities();
    if features::locked_memory().is_some() {
        wanted.push("SYS_RESOURCE".to_owned());
    }
    wanted
}

/// A node as a kubelet gives it to the container: the BPF file system is mounted, and the directory of
/// namespaces is a mount that passes on what is mounted there later.
fn node() -> Node {
    let node = Node::new(Shape::Ptp, Families::V4);
    let (netns, bpffs) = (node.lab.netns_dir(), node.lab.bpffs());
    fs::create_dir_all(&bpffs).unwrap();
    let [netns, bpffs] = [netns, bpffs].map(|path| path.to_str().unwrap().to_owned());
    mount(&["-t", "bpf", "bpf", &bpffs]);
    mount(&["--bind", &netns, &netns]);
    mount(&["--make-shared", &netns]);
    node
}

fn mount(arguments: &[&str]) {
    let ended = Command::new("mount").args(arguments).status().unwrap();
    assert!(ended.success(), "mount {arguments:?}");
}

/// A program that runs the daemon as a container runtime does: in a mount namespace of its own whose root
/// and kernel settings are read-only, without new privileges, with these capabilities.
fn confined(node: &Node, capabilities: &[String]) -> PathBuf {
    let added = capabilities.iter().map(|name| name.to_lowercase());
    let bounding = std::iter::once("-all".to_owned())
        .chain(added)
        .collect::<Vec<_>>()
        .join(",+");
    let home = node.lab.home().display();
    let script = format!(
        "#!/bin/sh
exec unshare --mount --propagation slave sh -euc '
  mount --rbind {home} {home}
  mount --bind /proc/sys /proc/sys
  for place in / /sys /proc/sys; do mount -o remount,bind,ro $place; done
  exec setpriv --no-new-privs --inh-caps=-all --bounding-set={bounding} {PROGRAM} \"$@\"' sh \"$@\"
"
    );
    let path = node.lab.home().join("confined");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

fn enforces_while_confined(hook: &str) {
    let node = node();
    let [a, b] = ["a", "b"].map(|name| node.pod(name));
    node.put(&deny_all());
    let _server = serve(&a, 80);
    let program = confined(&node, &wanted());
    let arguments = format!("--hook {hook}");
    let daemon = node.lab.start(&program, &arguments).unwrap();
    daemon.wait_ready(LONG).unwrap();
    connects(&b, a.v4().unwrap(), 80, false);

    let later = node.pod("later");
    let _server = serve(&later, 80);
    let enforced = || {
        let status = node.status();
        let mut endpoints = status.endpoints.iter();
        endpoints.any(|endpoint| endpoint.pod == "default/later" && endpoint.not_enforced.is_none())
    };
    daemon.wait_ready(LONG).unwrap();
    eventually("a later pod is found", enforced);
    node.delete(&deny_all());
    daemon.wait_ready(LONG).unwrap();
    connects(&a, later.v4().unwrap(), 80, true);
    node.put(&deny_all());
    daemon.wait_ready(LONG).unwrap();
    connects(&a, later.v4().unwrap(), 80, false);

    // What it leaves behind stays in force, and the next one takes over.
    assert_eq!(daemon.stop(LONG).unwrap().unwrap().code(), Some(0));
    connects(&b, a.v4().unwrap(), 80, false);
    let next = node
        .lab
        .start(&program, &format!("{arguments} --cleanup"))
        .unwrap();
    next.wait_ready(LONG).unwrap();
    connects(&b, a.v4().unwrap(), 80, false);
    assert_eq!(next.stop(LONG).unwrap().unwrap().code(), Some(0));
    connects(&b, a.v4().unwrap(), 80, true);
}

#[test]
fn the_daemonsets_capabilities_and_a_read_only_root_are_enough_with_tcx() {
    if has_hook(
        "tcx",
        "the_daemonsets_capabilities_and_a_read_only_root_are_enough_with_tcx",
    ) {
        enforces_while_confined("tcx");
    }
}

#[test]
fn the_daemonsets_capabilities_and_a_read_only_root_are_enough_with_clsact() {
    enforces_while_confined("clsact");
}

#[test]
fn without_any_one_of_the_capabilities_the_daemon_ends_and_says_which_it_needs() {
    let all = wanted();
    for missing in &all {
        let node = node();
        let a = node.pod("a");
        node.put(&deny_all());
        let others: Vec<String> = all.iter().filter(|one| *one != missing).cloned().collect();
        let daemon = node.lab.start(&confined(&node, &others), "").unwrap();
        eventually("an error", || daemon.log().contains("enforcer: error:"));
        let log = daemon.log();
        assert!(log.contains(missing.as_str()), "without {missing}: {log}");
        assert_eq!(daemon.stop(LONG).unwrap().unwrap().code(), Some(2), "{log}");
        drop(a);
    }
}
