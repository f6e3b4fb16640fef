//! The software bill of materials: `CycloneDX` 1.6, the same bytes for the same image.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::parts::{PackageId, Part};

/// What is linked in besides crates.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// Where it comes from, as a package URL.
    pub(super) purl: String,
    /// An SPDX expression.
    pub(super) licence: &'static str,
}

/// Something that was linked: a program in the image or the BPF object inside one.
pub(super) struct Linked {
    /// The path in the image, or the name of what is inside a program.
    pub(super) name: String,
    /// SHA-256 of the file.
    pub(super) sha256: String,
    /// The package that it is built from.
    pub(super) package: PackageId,
    pub(super) libraries: Vec<Library>,
    /// The name of what else is inside.
    pub(super) holds: Vec<String>,
}

/// Everything that the bill lists.
pub(super) struct Materials<'a> {
    /// The image's version.
    pub(super) version: &'a str,
    pub(super) parts: &'a BTreeMap<PackageId, Part>,
    /// All that was linked. The image has those whose names are paths.
    pub(super) linked: &'a [Linked],
}

/// Writes the bill.
pub(super) fn cyclonedx(materials: &Materials<'_>) -> Result<Vec<u8>> {
    let mut bill = Bill::default();
    for part in materials.parts.values() {
        bill.add(
            component(part),
            part.depends
                .iter()
                .filter_map(|id| materials.parts.get(id).map(reference)),
        );
    }
    for linked in materials.linked {
        let package = materials.parts.get(&linked.package).with_context(|| {
            format!("the build of {} does not name its own package", linked.name)
        })?;
        for library in &linked.libraries {
            bill.add(library_component(library), []);
        }
        let libraries = linked.libraries.iter().map(|library| library.purl.clone());
        let holds = linked.holds.iter().map(|name| file_reference(name));
        let file = json!({
            "type": "file",
            "bom-ref": file_reference(&linked.name),
            "name": linked.name,
            "hashes": [{"alg": "SHA-256", "content": linked.sha256}],
        });
        bill.add(file, libraries.chain(holds).chain([reference(package)]));
    }
    let image = json!({
        "type": "container",
        "bom-ref": "image",
        "name": "enforcer",
        "version": materials.version,
    });
    let programs = materials
        .linked
        .iter()
        .filter(|linked| linked.name.starts_with('/'))
        .map(|linked| file_reference(&linked.name));
    bill.depends.insert("image".to_owned(), programs.collect());
    let mut text = serde_json::to_vec_pretty(&bill.document(&image)).context("writing JSON")?;
    text.push(b'\n');
    Ok(text)
}

/// Components and what they depend on, by their references.
#[derive(Default)]
struct Bill {
    components: BTreeMap<String, Value>,
    depends: BTreeMap<String, BTreeSet<String>>,
}

impl Bill {
    fn add(&mut self, component: Value, depends: impl IntoIterator<Item = String>) {
        let reference = component["bom-ref"].as_str().unwrap_or_default().to_owned();
        self.depends
            .entry(reference.clone())
            .or_default()
            .extend(depends);
        self.components.insert(reference, component);
    }

    fn document(self, image: &Value) -> Value {
        let depends: Vec<_> = self
            .depends
            .into_iter()
            .map(|(reference, on)| json!({"ref": reference, "dependsOn": on}))
            .collect();
        json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"lifecycles": [{"phase": "build"}], "component": image},
            "components": self.components.into_values().collect::<Vec<_>>(),
            "dependencies": depends,
        })
    }
}

fn component(part: &Part) -> Value {
    let reference = reference(part);
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": part.name,
        "version": part.version,
        "purl": reference,
    });
    if let Some(licence) = &part.licence {
        component["licenses"] = json!([{"expression": licence}]);
    }
    if let Some(checksum) = &part.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn library_component(library: &Library) -> Value {
    json!({
        "type": "library",
        "bom-ref": library.purl,
        "name": library.name,
        "version": library.version,
        "purl": library.purl,
        "licenses": [{"expression": library.licence}],
    })
}

/// A package URL. What is not published must not look like a crate that somebody else did publish
/// under the same name.
fn reference(part: &Part) -> String {
    let kind = if part.published { "cargo" } else { "generic" };
    purl(&format!("{kind}/{}", part.name), &part.version)
}

/// The package URL of a version; `+` means something else there.
pub(super) fn purl(package: &str, version: &str) -> String {
    format!("pkg:{package}@{}", version.replace('+', "%2B"))
}

fn file_reference(name: &str) -> String {
    format!("file:{name}")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn part(name: &str, version: &str, published: bool, depends: &[&str]) -> Part {
        Part {
            name: name.into(),
            version: version.into(),
            licence: Some("MIT".into()),
            published,
            checksum: published.then(|| "ab".repeat(32)),
            directory: PathBuf::new(),
            depends: depends.iter().map(|&id| id.to_owned()).collect(),
        }
    }

    fn parts() -> BTreeMap<PackageId, Part> {
        BTreeMap::from([
            (
                "daemon".into(),
                part("enforcer", "0.1.0", false, &["common"]),
            ),
            (
                "programs".into(),
                part("enforcer-ebpf", "0.1.0", false, &["common"]),
            ),
            ("common".into(), part("common", "1.0.0+x", true, &[])),
        ])
    }

    fn linked(name: &str, package: &str, holds: &[&str]) -> Linked {
        Linked {
            name: name.into(),
            sha256: "cd".repeat(32),
            package: package.into(),
            libraries: vec![Library {
                name: "glibc",
                version: "2.36".into(),
                purl: purl("generic/glibc", "2.36"),
                licence: "LGPL-2.1-or-later",
            }],
            holds: holds.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn bill() -> Value {
        let parts = parts();
        let linked = [
            linked("/enforcer", "daemon", &["enforcer.bpf.o"]),
            linked("enforcer.bpf.o", "programs", &[]),
        ];
        let materials = Materials {
            version: "0.1.0",
            parts: &parts,
            linked: &linked,
        };
        serde_json::from_slice(&cyclonedx(&materials).unwrap()).unwrap()
    }

    #[test]
    fn every_part_is_listed_once_with_version_licence_and_package_url() {
        let bill = bill();
        let components = bill["components"].as_array().unwrap();
        let names: Vec<_> = components
            .iter()
            .map(|c| c["bom-ref"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "file:/enforcer",
                "file:enforcer.bpf.o",
                "pkg:cargo/common@1.0.0%2Bx",
                "pkg:generic/enforcer-ebpf@0.1.0",
                "pkg:generic/enforcer@0.1.0",
                "pkg:generic/glibc@2.36",
            ]
        );
        for library in components.iter().filter(|c| c["type"] == "library") {
            assert_eq!(library["purl"], library["bom-ref"]);
            assert!(
                library["licenses"][0]["expression"].is_string(),
                "{library}"
            );
            assert!(library["version"].is_string(), "{library}");
        }
        assert_eq!(components[2]["hashes"][0]["content"], "ab".repeat(32));
    }

    #[test]
    fn every_part_can_be_reached_from_the_image() {
        let bill = bill();
        let depends: BTreeMap<_, _> = bill["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| {
                (
                    d["ref"].as_str().unwrap(),
                    d["dependsOn"].as_array().unwrap(),
                )
            })
            .collect();
        let mut open = vec!["image"];
        let mut reached = BTreeSet::new();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(depends[next].iter().map(|d| d.as_str().unwrap()));
            }
        }
        assert_eq!(
            reached.len(),
            1 + bill["components"].as_array().unwrap().len()
        );
    }

    #[test]
    fn a_program_whose_own_crate_is_unknown_is_an_error() {
        let materials = Materials {
            version: "0.1.0",
            parts: &parts(),
            linked: &[linked("/enforcer", "nobody", &[])],
        };
        let error = cyclonedx(&materials).unwrap_err().to_string();
        assert!(error.contains("/enforcer"), "{error}");
    }
}
