//! `cargo xtask image`: a container image from nothing but our own programs, the same bytes each
//! time.

mod build;
mod check;
mod digest;
mod layer;
mod layout;
mod libraries;
mod licences;
mod parts;
mod sbom;
mod source;
mod tree;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{build_ebpf, setup, ui, workspace};
use source::Source;
use tree::Tree;

/// The programs of the image, each the package of this name.
const PROGRAMS: &[&str] = &["enforcer", "enforcer-cni"];

/// What the image is called where nobody says otherwise.
const NAME: &str = "enforcer";

/// What the image must stay below, also before compression.
const LIMIT: u64 = 25 * MIB;
const MIB: u64 = 1024 * 1024;

/// The bill of materials, in the image and beside it.
const BILL: &str = "sbom.cdx.json";
/// The files as they are in the image, for Docker to copy.
const ROOTFS: &str = "rootfs";
/// The image's digest, for scripts.
const DIGEST: &str = "digest";

/// How to build the image.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The image's name, without tag: what cluster nodes will look for.
    #[arg(long, default_value = NAME)]
    name: String,
    /// The commit that labels name, where it cannot be asked of git.
    #[arg(long, env = "ENFORCER_REVISION")]
    revision: Option<String>,
    /// Let other tools read the image, and run its programs in it (root or sudo).
    #[arg(long)]
    check: bool,
    /// Build once more in another place, and compare: takes as long as the first time.
    #[arg(long)]
    verify: bool,
}

/// Builds, packs and says what to do with it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let source = Source::new(arguments.revision.clone())?;
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    let build = build::programs(PROGRAMS)?;
    let tree = source::tree(&build, &toolchain)?;
    let name = layout::full_name(&arguments.name);
    let about = layout::About {
        architecture: layout::architecture(std::env::consts::ARCH)?,
        version: source::VERSION,
        revision: source.revision.clone(),
        created: source.created()?,
        name: name.clone(),
    };
    let image = layout::image(&about, &layer::pack(&tree, source.epoch)?)?;
    let directory = workspace::target().join("image");
    let archive = write(&directory, &about, &tree, &image)?;
    show(&tree, &image, &archive);
    // After the sizes were shown: they tell what became too large.
    let size = tree.size();
    if size > LIMIT {
        bail!(
            "the image has {} of files, and may have {}",
            mib(size),
            mib(LIMIT)
        );
    }
    if arguments.check {
        check::run(&archive, &image.digest, source::VERSION)?;
    }
    if arguments.verify {
        verify::run(&directory, source.revision.as_deref())?;
    }
    show_use(&archive, &format!("{name}:{}", source::VERSION));
    Ok(())
}

/// Builds and checks the image.
pub(crate) fn checked() -> Result<()> {
    run(&Arguments {
        name: NAME.to_owned(),
        revision: None,
        check: true,
        verify: false,
    })
}

/// Writes everything below `directory`, and returns the path of the archive.
fn write(
    directory: &Path,
    about: &layout::About,
    tree: &Tree,
    image: &layout::Image,
) -> Result<PathBuf> {
    let archive = directory.join(format!(
        "enforcer-{}-{}.tar",
        about.version, about.architecture
    ));
    let put = |path: &Path, content: &[u8]| {
        fs::write(path, content).with_context(|| format!("writing {}", path.display()))
    };
    tree.write(&directory.join(ROOTFS))?;
    image.layout.write(&directory.join("layout"))?;
    put(&archive, &layer::archive(&image.layout, 0)?)?;
    for (path, file) in tree.files().filter(|(path, _)| *path == BILL) {
        put(&directory.join(path), &file.content)?;
    }
    put(
        &directory.join(DIGEST),
        format!("{}\n", image.digest).as_bytes(),
    )?;
    Ok(archive)
}

fn show(tree: &Tree, image: &layout::Image, archive: &Path) {
    ui::heading("image");
    for (path, file) in tree.files() {
        ui::line(format_args!(
            "  {:>10}  /{path}",
            mib(file.content.len() as u64)
        ));
    }
    ui::line(format_args!("  {:>10}  together", mib(tree.size())));
    ui::line(format_args!("  {:>10}  compressed", mib(image.size)));
    ui::line(format_args!("  digest     {}", image.digest));
    ui::line(format_args!("  archive    {}", archive.display()));
    let layout = archive.with_file_name("layout");
    ui::line(format_args!("  layout     {}", layout.display()));
    ui::line(format_args!(
        "  SBOM       {}",
        archive.with_file_name(BILL).display()
    ));
}

fn show_use(archive: &Path, name: &str) {
    let archive = archive.display();
    ui::heading("to use it");
    ui::line(format_args!(
        "  ctr -n k8s.io images import {archive}    on each node"
    ));
    ui::line(format_args!("  kind load image-archive {archive}"));
    ui::line(format_args!("  docker load --input {archive}"));
    ui::line(format_args!(
        "  skopeo copy oci-archive:{archive} docker://{name}"
    ));
}

/// Bytes as people read them.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
fn mib(bytes: u64) -> String {
    if bytes < MIB {
        return format!("{:.1} KiB", bytes as f64 / 1024.0);
    }
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_to_read() {
        assert_eq!(mib(11_358), "11.1 KiB");
        assert_eq!(mib(LIMIT), "25.0 MiB");
    }
}
