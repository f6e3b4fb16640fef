//! Files as one layer: a tar archive, compressed, in which nothing tells who made it when.

use std::io::Write;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::digest;
use super::tree::Tree;

/// What a gzip header says about the system that it does not want to name.
const NO_SYSTEM: u8 = 255;

/// A layer as it lies in the image.
pub(super) struct Layer {
    /// The compressed archive.
    pub(super) content: Vec<u8>,
    /// The digest of the archive before compression, by which the configuration names it.
    pub(super) diff_id: String,
}

/// Packs files in the order of their paths, all of them root's and from the second `time`.
pub(super) fn pack(tree: &Tree, time: u64) -> Result<Layer> {
    let archive = archive(tree, time).context("packing the layer")?;
    Ok(Layer {
        diff_id: digest::oci(&archive),
        content: compress(&archive).context("compressing the layer")?,
    })
}

/// An uncompressed tar archive of these files.
pub(super) fn archive(tree: &Tree, time: u64) -> Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for directory in tree.directories() {
        let mut header = header(EntryType::Directory, 0o755, time);
        builder.append_data(&mut header, format!("{directory}/"), std::io::empty())?;
    }
    for (path, file) in tree.files() {
        let mut header = header(EntryType::Regular, file.mode, time);
        header.set_size(file.content.len() as u64);
        builder.append_data(&mut header, path, file.content.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

fn header(kind: EntryType, mode: u32, time: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(0);
    header
}

fn compress(archive: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(NO_SYSTEM)
        .write(Vec::new(), Compression::best());
    gzip.write_all(archive)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use flate2::read::GzDecoder;

    use super::*;

    const NAMES: [&str; 3] = ["LICENSE", "enforcer", "licenses/third-party.txt"];

    /// A layer of the same three files, which lie on the disk as `age` and `mode` say, and are
    /// added in the order of `names`.
    fn layer_of(names: [&str; 3], age: u64, mode: u32, time: u64) -> Layer {
        let directory = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        for name in names {
            let path = directory.path().join(name.replace('/', "-"));
            fs::write(&path, format!("what {name} holds")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            File::open(&path).unwrap().set_modified(then).unwrap();
            add(&mut tree, name, &path);
        }
        pack(&tree, time).unwrap()
    }

    fn add(tree: &mut Tree, name: &str, from: &Path) {
        if name == "enforcer" {
            tree.program(name, from).unwrap();
        } else {
            tree.text_file(name, from).unwrap();
        }
    }

    #[test]
    fn order_times_and_permissions_on_the_disk_do_not_change_a_byte() {
        let [a, b, c] = NAMES;
        let one = layer_of([a, b, c], 1_000_000_000, 0o644, 0);
        let other = layer_of([c, a, b], 1_700_000_000, 0o700, 0);
        assert_eq!(one.diff_id, other.diff_id);
        assert!(one.content == other.content);
    }

    #[test]
    fn another_content_or_time_is_another_layer() {
        let [a, b, c] = NAMES;
        let one = layer_of([a, b, c], 0, 0o644, 0);
        assert_ne!(one.diff_id, layer_of(["other", b, c], 0, 0o644, 0).diff_id);
        assert_ne!(one.diff_id, layer_of([a, b, c], 0, 0o644, 1).diff_id);
    }

    #[test]
    fn a_layer_holds_directories_and_files_of_root_in_the_order_of_their_paths() {
        let layer = layer_of(NAMES, 1_000_000_000, 0o600, 7);
        let mut archive = tar::Archive::new(GzDecoder::new(layer.content.as_slice()));
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
                assert_eq!(header.mtime().unwrap(), 7);
                let path = entry.path().unwrap().display().to_string();
                (path, header.mode().unwrap(), header.size().unwrap())
            })
            .collect();
        let size = |name: &str| format!("what {name} holds").len() as u64;
        assert_eq!(
            entries,
            [
                ("licenses/".to_owned(), 0o755, 0),
                (NAMES[0].to_owned(), 0o644, size(NAMES[0])),
                (NAMES[1].to_owned(), 0o755, size(NAMES[1])),
                (NAMES[2].to_owned(), 0o644, size(NAMES[2])),
            ]
        );
    }

    #[test]
    fn the_compressed_layer_has_no_time_no_name_and_no_system() {
        let layer = layer_of(NAMES, 1_000_000_000, 0o644, 7);
        assert_eq!(layer.content[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    }
}
