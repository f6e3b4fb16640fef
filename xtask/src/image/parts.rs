//! Which crates a program is linked from, as the very build of it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// Cargo's name for one version of one package from one source.
pub(super) type PackageId = String;

/// One crate.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: Option<String>,
    /// Whether it is from the registry, and not this workspace's own.
    pub(super) published: bool,
    /// SHA-256 of the published crate.
    pub(super) checksum: Option<String>,
    /// Where its sources are.
    pub(super) directory: PathBuf,
    /// What it is linked with.
    pub(super) depends: BTreeSet<PackageId>,
}

/// The packages of those crates that cargo compiled for the target and not for the machine that
/// builds: no build scripts, no macros, nothing that only tests need.
///
/// `messages` is what cargo says with `--message-format json`. It names what is already built, too.
pub(super) fn linked(messages: &str, target: &str) -> Result<BTreeSet<PackageId>> {
    let directory = format!("/{target}/");
    let mut packages = BTreeSet::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line)
            .with_context(|| format!("cargo's message is no JSON: {line}"))?;
        let for_target = list(&message["filenames"])
            .iter()
            .any(|file| file.as_str().is_some_and(|file| file.contains(&directory)));
        if message["reason"] == "compiler-artifact" && for_target {
            packages.insert(text(&message["package_id"]));
        }
    }
    Ok(packages)
}

/// What `cargo metadata` and `Cargo.lock` know about these packages.
pub(super) fn parts(
    metadata: &Value,
    lock: &str,
    linked: &BTreeSet<PackageId>,
) -> BTreeMap<PackageId, Part> {
    let checksums = checksums(lock);
    let mut depends: BTreeMap<_, _> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), dependencies(node, linked)))
        .collect();
    list(&metadata["packages"])
        .iter()
        .filter(|package| linked.contains(package["id"].as_str().unwrap_or_default()))
        .map(|package| {
            let id = text(&package["id"]);
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            let part = Part {
                checksum: checksums.get(&(&name, &version)).map(|&sum| sum.to_owned()),
                depends: depends.remove(&id).unwrap_or_default(),
                directory: PathBuf::from(text(&package["manifest_path"]))
                    .parent()
                    .map(PathBuf::from)
                    .unwrap_or_default(),
                // Old manifests write OR as a slash.
                licence: package["license"].as_str().map(|l| l.replace('/', " OR ")),
                published: package["source"].is_string(),
                name,
                version,
            };
            (id, part)
        })
        .collect()
}

/// What a node of the graph depends on in the program itself.
fn dependencies(node: &Value, linked: &BTreeSet<PackageId>) -> BTreeSet<PackageId> {
    list(&node["deps"])
        .iter()
        .filter(|dep| {
            list(&dep["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"].is_null())
        })
        .map(|dep| text(&dep["pkg"]))
        .filter(|package| linked.contains(package))
        .collect()
}

/// The checksums of `Cargo.lock` by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    lock.split("[[package]]")
        .filter_map(|package| {
            let value = |key| {
                package.lines().find_map(|line| {
                    line.strip_prefix(key)?
                        .strip_prefix(" = \"")?
                        .strip_suffix('"')
                })
            };
            Some(((value("name")?, value("version")?), value("checksum")?))
        })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LOCK: &str = "\
version = 4

[[package]]
name = \"base64\"
version = \"0.22.1\"
source = \"registry\"
checksum = \"72b3\"

[[package]]
name = \"base64\"
version = \"0.23.0\"
checksum = \"aa11\"

[[package]]
name = \"enforcer\"
version = \"0.1.0\"
";

    fn artifact(package: &str, file: &str) -> String {
        let message = json!({
            "reason": "compiler-artifact",
            "package_id": package,
            "filenames": [file],
        });
        format!("{message}\n")
    }

    #[test]
    fn only_what_is_compiled_for_the_target_is_linked() {
        let messages = [
            artifact(
                "libc",
                "/t/x86_64-unknown-linux-gnu/release/deps/liblibc.rlib",
            ),
            artifact("serde_derive", "/t/release/deps/libserde_derive.so"),
            artifact("enforcer", "/t/release/build/enforcer-1/build-script-build"),
            artifact("enforcer", "/t/x86_64-unknown-linux-gnu/release/enforcer"),
            "{\"reason\":\"build-finished\",\"success\":true}\n".to_owned(),
        ]
        .concat();
        let linked = linked(&messages, "x86_64-unknown-linux-gnu").unwrap();
        assert_eq!(linked.into_iter().collect::<Vec<_>>(), ["enforcer", "libc"]);
    }

    #[test]
    fn a_part_has_the_checksum_of_its_version_and_its_normal_dependencies_only() {
        let dep = |package, kind: Option<&str>| json!({"pkg": package, "dep_kinds": [{"kind": kind, "target": null}]});
        let metadata = json!({
            "packages": [
                {"id": "e", "name": "enforcer", "version": "0.1.0", "license": "Apache-2.0",
                 "source": null, "manifest_path": "/src/enforcer/Cargo.toml"},
                {"id": "b", "name": "base64", "version": "0.23.0", "license": "MIT/Apache-2.0",
                 "source": "registry+there", "manifest_path": "/cargo/base64/Cargo.toml"},
                {"id": "t", "name": "proptest", "version": "1.0.0", "license": "MIT",
                 "source": "registry+there", "manifest_path": "/cargo/proptest/Cargo.toml"},
            ],
            "resolve": {"nodes": [
                {"id": "e", "deps": [dep("b", None), dep("b", Some("build")), dep("t", Some("dev"))]},
                {"id": "b", "deps": []},
            ]},
        });
        let linked = BTreeSet::from(["e".to_owned(), "b".to_owned()]);
        let parts = parts(&metadata, LOCK, &linked);
        assert_eq!(parts.keys().collect::<Vec<_>>(), ["b", "e"]);
        let base64 = &parts["b"];
        assert_eq!(base64.checksum.as_deref(), Some("aa11"));
        assert_eq!(base64.licence.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(base64.directory, PathBuf::from("/cargo/base64"));
        assert!(base64.published && !parts["e"].published);
        assert_eq!(parts["e"].checksum, None);
        assert_eq!(parts["e"].depends, BTreeSet::from(["b".to_owned()]));
    }
}
