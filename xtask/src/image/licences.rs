//! The licence texts of everything that is linked in: most licences ask to go with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::parts::Part;

/// How the names of such files begin, in small letters.
const NAMES: [&str; 6] = [
    "licen",
    "copying",
    "copyright",
    "notice",
    "unlicense",
    "authors",
];

/// One text with the texts of all published crates, each once, below those that it belongs to.
pub(super) fn third_party<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Result<String> {
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for part in parts.into_iter().filter(|part| part.published) {
        let name = format!("{} {}", part.name, part.version);
        let texts = texts(&part.directory)?;
        if texts.is_empty() {
            let licence = part.licence.as_deref().unwrap_or("no licence");
            without.insert(format!("{name}: {licence}"));
        }
        for text in texts {
            owners.entry(text).or_default().insert(name.clone());
        }
    }
    let mut by_owner: Vec<_> = owners.into_iter().map(|(text, who)| (who, text)).collect();
    by_owner.sort();
    Ok(document(&by_owner, &without))
}

fn document(texts: &[(BTreeSet<String>, String)], without: &BTreeSet<String>) -> String {
    let rule = "=".repeat(80);
    let mut document =
        "Licences of the crates that are linked into the programs of this image.\n".to_owned();
    for (owners, text) in texts {
        let owners = owners.iter().cloned().collect::<Vec<_>>().join("\n");
        // Writing into a string cannot fail.
        let _ = write!(document, "\n{rule}\n{owners}\n{rule}\n\n{text}\n");
    }
    if !without.is_empty() {
        let names = without.iter().cloned().collect::<Vec<_>>().join("\n");
        let _ = write!(
            document,
            "\n{rule}\nThese come without a text; they name their licence only:\n{names}\n"
        );
    }
    document
}

/// The texts beside a crate's manifest, without empty lines around them.
fn texts(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("looking for licences in {}", directory.display()))?;
    let mut texts = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase());
        let wanted = name.is_some_and(|name| NAMES.iter().any(|n| name.starts_with(n)));
        if wanted && path.is_file() {
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
            texts.push(text.trim_matches('\n').trim_end().to_owned());
        }
    }
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, directory: &Path, published: bool) -> Part {
        Part {
            name: name.into(),
            version: "1.0.0".into(),
            licence: Some("MIT".into()),
            published,
            checksum: None,
            directory: directory.to_owned(),
            depends: BTreeSet::new(),
        }
    }

    #[test]
    fn a_text_that_several_crates_share_is_there_once_with_all_their_names() {
        let root = tempfile::tempdir().unwrap();
        let parts = ["b", "a", "own", "bare"].map(|name| {
            let directory = root.path().join(name);
            fs::create_dir(&directory).unwrap();
            if name != "bare" {
                fs::write(directory.join("LICENSE-MIT"), "Do what you like.\r\n\n").unwrap();
            }
            part(name, &directory, name != "own")
        });
        let text = third_party(&parts).unwrap();
        assert_eq!(text.matches("Do what you like.").count(), 1);
        assert!(text.contains("=\na 1.0.0\nb 1.0.0\n="), "{text}");
        assert!(text.ends_with("only:\nbare 1.0.0: MIT\n"), "{text}");
        assert!(!text.contains("own"), "{text}");
    }

    #[test]
    fn crates_whose_sources_are_gone_are_an_error() {
        let error = third_party([&part("a", Path::new("/no/such/crate"), true)]).unwrap_err();
        assert!(error.to_string().contains("/no/such/crate"), "{error}");
    }
}
