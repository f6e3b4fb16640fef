//! `generated/` is what `proto/` says. `ENFORCER_WRITE=1 cargo test -p enforcer-hubble --test generated`
//! writes it anew.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FILES: [&str; 3] = [
    "flow/flow.proto",
    "observer/observer.proto",
    "peer/peer.proto",
];

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

fn generate() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let descriptors = protox::compile(FILES, [here().join("proto")]).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(folder.path())
        .compile_fds(descriptors)
        .unwrap();
    files(folder.path())
}

#[test]
fn what_is_generated_is_in_step_with_the_protocol() {
    let (expected, tracked) = (generate(), here().join("generated"));
    if env::var_os("ENFORCER_WRITE").is_some() {
        for (name, text) in &expected {
            fs::write(tracked.join(name), text).unwrap();
        }
    }
    let found = files(&tracked);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, text) in expected {
        assert!(
            found[&name] == text,
            "generated/{name} is out of step: run this with ENFORCER_WRITE=1"
        );
    }
}

/// Which fields of a filter are answered is said in two places.
#[test]
fn every_field_of_a_filter_is_either_answered_or_refused() {
    let descriptors = protox::compile(FILES, [here().join("proto")]).unwrap();
    let mut messages = descriptors.file.iter().flat_map(|file| &file.message_type);
    let filter = messages.find(|one| one.name() == "FlowFilter").unwrap();
    let answered: BTreeMap<u32, &str> = filter
        .field
        .iter()
        .map(|field| (u32::try_from(field.number()).unwrap(), field.name()))
        .collect();
    assert_eq!(answered, enforcer_hubble::filter::ANSWERED.into());
    for (number, _) in enforcer_hubble::filter::REFUSED {
        assert!(!answered.contains_key(&number), "{number}");
    }
}
