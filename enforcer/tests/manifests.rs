//! A directory of manifests as the source of objects: what is in force after which change.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use enforcer::source::manifests::{ManifestSource, Snapshot, Watch};
use tempfile::TempDir;

fn policy(name: &str, port: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n\
         spec:\n  podSelector: {{}}\n  ingress:\n  - ports:\n    - port: {port}\n"
    )
}

fn pod(name: &str, address: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nstatus:\n  podIP: {address}\n")
}

struct Manifests {
    directory: TempDir,
    source: ManifestSource,
}

impl Manifests {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = ManifestSource::new(directory.path());
        Self { directory, source }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&mut self, file: &str, text: &str) -> Snapshot {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.source.reload()
    }

    fn remove(&mut self, file: &str) -> Snapshot {
        fs::remove_file(self.path().join(file)).unwrap();
        self.source.reload()
    }
}

fn policies(snapshot: &Snapshot) -> Vec<String> {
    let keys = snapshot.cluster.policies.keys();
    keys.map(|key| key.name.to_string()).collect()
}

fn codes(snapshot: &Snapshot) -> Vec<&'static str> {
    snapshot.problems.iter().map(|one| one.code).collect()
}

#[test]
fn every_manifest_below_the_directory_is_read_and_other_kinds_are_counted() {
    let mut manifests = Manifests::new();
    manifests.write(
        "a.yaml",
        &[policy("p1", "80"), policy("p2", "81")].join("---\n"),
    );
    manifests.write("sub/deep/b.yml", &pod("web", "10.0.0.1"));
    manifests.write(
        "c.json",
        "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"shop\"}}",
    );
    manifests.write("notes.txt", "not: [yaml");
    manifests.write(".hidden.yaml", "not: [yaml");
    let snapshot = manifests.write(
        "d.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
    );
    assert_eq!(snapshot.problems, []);
    assert_eq!(policies(&snapshot), ["p1", "p2"]);
    assert_eq!(snapshot.cluster.pods.len(), 1);
    assert!(snapshot.cluster.namespaces.contains_key("shop"));
    assert_eq!((snapshot.files, snapshot.ignored), (4, 1));
}

#[test]
fn the_items_of_lists_are_objects_also_when_only_the_list_names_their_kind() {
    let mut manifests = Manifests::new();
    let snapshot = manifests.write(
        "a.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata: {name: n1}\n\
         ---\napiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: web}\n- metadata: {name: db}\n",
    );
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.cluster.nodes.len(), 1);
    assert_eq!(snapshot.cluster.pods.len(), 2);
}

#[test]
fn an_invalid_policy_keeps_its_last_good_version_and_the_report_until_it_is_mended() {
    let mut manifests = Manifests::new();
    let good = manifests.write("a.yaml", &policy("p", "80"));
    let bad = manifests.write("a.yaml", &policy("p", "99999"));
    assert_eq!(bad.cluster, good.cluster);
    assert_eq!(codes(&bad), ["bad-port"]);
    let kept: Vec<_> = bad.kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["NetworkPolicy default/p"]);
    assert_eq!(codes(&manifests.source.reload()), ["bad-port"]);
    let mended = manifests.write("a.yaml", &policy("p", "81"));
    assert_eq!(mended.problems, []);
    assert!(mended.kept.is_empty());
    assert_ne!(mended.cluster, good.cluster);
}

#[test]
fn a_new_invalid_policy_hides_no_valid_one_of_its_file() {
    let mut manifests = Manifests::new();
    let all = [policy("p1", "80"), policy("bad", "x y"), policy("p2", "81")];
    let snapshot = manifests.write("a.yaml", &all.join("---\n"));
    assert_eq!(policies(&snapshot), ["p1", "p2"]);
    assert_eq!(codes(&snapshot), ["bad-port-name"]);
}

#[test]
fn a_syntax_error_keeps_what_its_file_held_and_takes_the_other_documents() {
    let mut manifests = Manifests::new();
    manifests.write(
        "a.yaml",
        &[policy("p1", "80"), policy("p2", "81")].join("---\n"),
    );
    let broken = [policy("p1", "[80"), policy("p3", "82")].join("---\n");
    let snapshot = manifests.write("a.yaml", &broken);
    // Nobody can tell whether the broken document is p1 or p2: both stay.
    assert_eq!(policies(&snapshot), ["p1", "p2", "p3"]);
    assert_eq!(codes(&snapshot), ["yaml-syntax"]);
    let mended = manifests.write("a.yaml", &policy("p3", "82"));
    assert_eq!(policies(&mended), ["p3"]);
}

#[test]
fn an_object_that_lost_its_name_is_not_lost() {
    let mut manifests = Manifests::new();
    manifests.write("a.yaml", &policy("p", "80"));
    let text = policy("p", "80").replace("metadata:", "metadat:");
    let snapshot = manifests.write("a.yaml", &text);
    assert_eq!(policies(&snapshot), ["p"]);
    assert_eq!(codes(&snapshot), ["unknown-field"]);
}

#[test]
fn unknown_fields_reject_a_policy() {
    let mut manifests = Manifests::new();
    let text = policy("p", "80").replace("podSelector", "podSelectr");
    let snapshot = manifests.write("a.yaml", &text);
    assert_eq!(policies(&snapshot), Vec::<String>::new());
    assert_eq!(codes(&snapshot), ["unknown-field"]);
}

#[test]
fn what_is_removed_from_a_sound_file_is_gone() {
    let mut manifests = Manifests::new();
    manifests.write(
        "a.yaml",
        &[policy("p1", "80"), policy("p2", "81")].join("---\n"),
    );
    manifests.write("b.yaml", &policy("p3", "82"));
    assert_eq!(
        policies(&manifests.write("a.yaml", &policy("p1", "80"))),
        ["p1", "p3"]
    );
    assert_eq!(policies(&manifests.remove("b.yaml")), ["p1"]);
    assert_eq!(
        policies(&manifests.write("a.yaml", "")),
        Vec::<String>::new()
    );
}

#[test]
fn the_same_object_in_two_files_is_an_error_that_names_both_and_the_first_counts() {
    let mut manifests = Manifests::new();
    let first = manifests.write("a.yaml", &policy("p", "80"));
    let both = manifests.write("b.yaml", &policy("p", "81"));
    assert_eq!(both.cluster, first.cluster);
    assert_eq!(codes(&both), ["duplicate-object"]);
    let problem = &both.problems[0];
    assert!(problem.place.file().unwrap().ends_with("b.yaml"));
    assert!(problem.message.contains("a.yaml:1"), "{}", problem.message);
    // While the first is wrong, its last good version counts, not the second.
    let spoilt = manifests.write("a.yaml", &policy("p", "0"));
    assert_eq!(spoilt.cluster, first.cluster);
}

#[test]
fn files_that_did_not_change_are_told_as_before() {
    let mut manifests = Manifests::new();
    manifests.write("a.yaml", &policy("a", "80"));
    manifests.write("b.yaml", &policy("b", "0"));
    let before = manifests.write("c.yaml", &policy("a", "80"));
    let after = manifests.write("d.yaml", &policy("d", "80"));
    assert_eq!(codes(&before), ["bad-port", "duplicate-object"]);
    assert_eq!(after.problems, before.problems);
    assert_eq!((before.files, after.files), (3, 4));
    // The same length, and written within the same tick of the clock.
    let mended = manifests.write("b.yaml", &policy("b", "8"));
    assert_eq!(codes(&mended), ["duplicate-object"]);
}

#[test]
fn an_object_that_moves_to_another_file_follows_it() {
    let mut manifests = Manifests::new();
    manifests.write("a.yaml", &policy("p", "80"));
    fs::rename(
        manifests.path().join("a.yaml"),
        manifests.path().join("b.yaml"),
    )
    .unwrap();
    let snapshot = manifests.write("b.yaml", &policy("p", "81"));
    assert_eq!(policies(&snapshot), ["p"]);
    assert_eq!(snapshot.problems, []);
}

#[test]
fn a_directory_that_is_away_changes_nothing_and_an_empty_one_removes_all() {
    let mut manifests = Manifests::new();
    let good = manifests.write("sub/a.yaml", &policy("p", "80"));
    let root = manifests.path().to_owned();
    let away = root.with_extension("away");
    fs::rename(&root, &away).unwrap();
    let gone = manifests.source.reload();
    assert_eq!(gone.cluster, good.cluster);
    assert_eq!(codes(&gone), ["no-such-file"]);
    fs::create_dir(&root).unwrap();
    let empty = manifests.source.reload();
    assert_eq!(policies(&empty), Vec::<String>::new());
    assert_eq!(empty.problems, []);
    fs::remove_dir_all(&away).unwrap();
}

#[test]
fn a_file_that_is_no_text_keeps_what_it_held() {
    let mut manifests = Manifests::new();
    manifests.write("a.yaml", &policy("p", "80"));
    fs::write(manifests.path().join("a.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let snapshot = manifests.source.reload();
    assert_eq!(policies(&snapshot), ["p"]);
    assert_eq!(codes(&snapshot), ["unreadable"]);
}

#[test]
fn a_link_to_the_folder_above_is_not_followed_for_ever() {
    let mut manifests = Manifests::new();
    let root = manifests.path().to_owned();
    std::os::unix::fs::symlink(&root, root.join("loop")).unwrap();
    let snapshot = manifests.write("a.yaml", &policy("p", "80"));
    assert_eq!(policies(&snapshot), ["p"]);
    assert_eq!(snapshot.problems, []);
}

/// Lays `text` down as the kubelet does for a `ConfigMap`: `..data` is a link that is swapped.
fn swap_config_map(root: &Path, version: &str, text: &str) {
    let folder = root.join(format!("..{version}"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("p.yaml"), text).unwrap();
    let temporary = root.join("..data_tmp");
    std::os::unix::fs::symlink(format!("..{version}"), &temporary).unwrap();
    fs::rename(&temporary, root.join("..data")).unwrap();
    let link = root.join("p.yaml");
    if !link.exists() {
        std::os::unix::fs::symlink("..data/p.yaml", link).unwrap();
    }
}

async fn told(watch: &mut Watch) -> bool {
    tokio::time::timeout(Duration::from_secs(3), watch.changed())
        .await
        .is_ok()
}

#[tokio::test]
async fn changes_are_told_through_link_swaps_and_a_replaced_directory() {
    let mut manifests = Manifests::new();
    let root = manifests.path().join("policies");
    manifests.source = ManifestSource::new(&root);
    let mut watch = manifests.source.watch().unwrap();

    fs::create_dir(&root).unwrap();
    swap_config_map(&root, "1", &policy("p", "80"));
    assert!(told(&mut watch).await, "the directory appears");
    let first = manifests.source.reload();
    assert_eq!(policies(&first), ["p"]);

    swap_config_map(&root, "2", &policy("p", "81"));
    assert!(told(&mut watch).await, "the link is swapped");
    let second = manifests.source.reload();
    assert_ne!(first.cluster, second.cluster);

    fs::rename(&root, root.with_extension("old")).unwrap();
    fs::create_dir_all(root.join("sub")).unwrap();
    assert!(told(&mut watch).await, "the directory is replaced");
    fs::write(root.join("sub/q.yaml"), policy("q", "82")).unwrap();
    assert!(told(&mut watch).await, "a file in the new directory");
    assert_eq!(policies(&manifests.source.reload()), ["q"]);
}

#[tokio::test]
async fn reading_is_not_told_as_a_change() {
    let mut manifests = Manifests::new();
    manifests.write("a.yaml", &policy("p", "80"));
    let mut watch = manifests.source.watch().unwrap();
    manifests.source.reload();
    let told = tokio::time::timeout(Duration::from_millis(300), watch.changed());
    assert!(told.await.is_err());
}

#[tokio::test]
async fn a_change_is_told_also_to_one_who_is_busy_with_other_things() {
    let mut manifests = Manifests::new();
    let mut watch = manifests.source.watch().unwrap();
    manifests.write("a.yaml", &policy("p", "80"));
    // As in a `select!` whose other branches are ready all the time.
    let busy = async {
        while tokio::time::timeout(Duration::from_millis(5), watch.changed())
            .await
            .is_err()
        {}
    };
    let told = tokio::time::timeout(Duration::from_secs(3), busy).await;
    assert!(told.is_ok());
}
