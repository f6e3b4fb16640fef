//! What the program is made of: accepted licences, the registry only, no needless duplicates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::licence;
use crate::{machine, shell, ui};

/// Crates that are here in several versions because of others, which we cannot change. A name
/// that is no longer needed fails the check, so that the list stays true.
const DUPLICATES: [&str; 6] = [
    "base64",        // kube-client is ahead of k8s-openapi
    "foldhash",      // hashbrown's; only to check what is generated from Hubble's protocol
    "getrandom",     // ring is behind the others
    "hashbrown",     // kube-runtime is behind the others
    "syn",           // derive macros move to version 3 one by one; none of it is in the binary
    "unicode-width", // protox is behind clap; only to check what is generated from Hubble's protocol
];

/// Fails with every finding by name.
pub(crate) fn check() -> Result<()> {
    let mut cargo = machine::cargo();
    cargo
        .args(["metadata", "--locked", "--format-version", "1"])
        // Only what is built on this machine.
        .args(["--filter-platform", &machine::host()?]);
    let metadata: Value = serde_json::from_str(&shell::quiet(cargo)?)
        .context("`cargo metadata` did not answer JSON")?;
    let packages = packages(&metadata);
    let findings = findings(&packages, &DUPLICATES);
    if !findings.is_empty() {
        bail!("dependencies:\n  {}", findings.join("\n  "));
    }
    ui::line(format_args!(
        "  {} crates, all from the registry, all licences accepted",
        packages.len()
    ));
    Ok(())
}

/// One package as the check sees it.
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// `None` for the workspace's own.
    source: Option<String>,
}

/// The packages that are really part of a build.
fn packages(metadata: &Value) -> Vec<Package> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let built: BTreeSet<String> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| text(&node["id"]))
        .collect();
    list(&metadata["packages"])
        .iter()
        .filter(|package| built.contains(&text(&package["id"])))
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: package["license"].as_str().map(str::to_owned),
            source: package["source"].as_str().map(str::to_owned),
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn findings(packages: &[Package], duplicates: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Package {
        name,
        version,
        licence,
        source,
    } in packages
    {
        versions.entry(name).or_default().insert(version);
        let Some(source) = source else { continue };
        if !source.starts_with("registry+") {
            findings.push(format!(
                "{name} {version} does not come from the registry: {source}"
            ));
        }
        match licence {
            None => findings.push(format!("{name} {version} names no licence")),
            Some(licence) if !licence::accepted(licence) => {
                findings.push(format!(
                    "{name} {version} has a licence not accepted: {licence}"
                ));
            }
            Some(_) => {}
        }
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        if !duplicates.contains(name) {
            let versions = versions.iter().copied().collect::<Vec<_>>().join(", ");
            findings.push(format!("{name} is here more than once: {versions}"));
        }
    }
    for name in duplicates {
        if versions.get(name).is_none_or(|versions| versions.len() < 2) {
            findings.push(format!(
                "{name} is no duplicate any more: take it off the list"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, licence: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            licence: licence.map(Into::into),
            source: source.map(Into::into),
        }
    }

    fn crates(name: &str, version: &str) -> Package {
        package(name, version, Some("MIT"), Some("registry+there"))
    }

    #[test]
    fn registry_crates_with_accepted_licences_pass() {
        assert!(findings(&[crates("a", "1.0.0"), crates("b", "2.1.0")], &[]).is_empty());
    }

    #[test]
    fn a_git_dependency_is_named() {
        let found = findings(
            &[package("a", "1.0.0", Some("MIT"), Some("git+there#1"))],
            &[],
        );
        assert_eq!(
            found,
            ["a 1.0.0 does not come from the registry: git+there#1"]
        );
    }

    #[test]
    fn a_licence_that_is_missing_or_not_accepted_is_named() {
        let from = Some("registry+there");
        let found = findings(
            &[
                package("a", "1.0.0", None, from),
                package("b", "1.0.0", Some("AGPL-3.0"), from),
            ],
            &[],
        );
        assert_eq!(
            found,
            [
                "a 1.0.0 names no licence",
                "b 1.0.0 has a licence not accepted: AGPL-3.0"
            ]
        );
    }

    #[test]
    fn the_workspace_itself_is_not_judged() {
        assert!(findings(&[package("enforcer", "0.1.0", None, None)], &[]).is_empty());
    }

    #[test]
    fn a_second_version_must_be_on_the_list_and_the_list_must_be_true() {
        let twice = [crates("a", "1.0.0"), crates("a", "2.0.0")];
        assert_eq!(
            findings(&twice, &[]),
            ["a is here more than once: 1.0.0, 2.0.0"]
        );
        assert!(findings(&twice, &["a"]).is_empty());
        assert_eq!(
            findings(&[crates("a", "1.0.0")], &["a"]),
            ["a is no duplicate any more: take it off the list"]
        );
    }

    #[test]
    fn what_is_not_resolved_for_this_platform_is_not_part_of_the_build() {
        let metadata = serde_json::json!({
            "packages": [
                {"id": "1", "name": "a", "version": "1.0.0", "license": "MIT", "source": "registry+"},
                {"id": "2", "name": "windows", "version": "1.0.0", "source": "registry+"},
            ],
            "resolve": {"nodes": [{"id": "1"}]},
        });
        let names: Vec<_> = packages(&metadata)
            .into_iter()
            .map(|package| package.name)
            .collect();
        assert_eq!(names, ["a"]);
    }
}
