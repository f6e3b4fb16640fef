//! `cargo xtask image --check`: what others make of the image. skopeo reads it, tar unpacks it, and
//! its programs run in it, on a root that nobody can write to.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::setup::apt;
use crate::{machine, shell, ui, workspace};

/// Needed here only: building works without it.
const SKOPEO: apt::Package = apt::Package {
    name: "skopeo",
    why: "reads the image as those do who did not write it",
    at_least: None,
};

/// Makes the mounts that a container runtime makes, in a namespace of their own, and runs a command
/// in the image: `sh -c SCRIPT sh ROOT DEMO COMMAND…`.
const IN_IMAGE: &str = r#"
root=$1 demo=$2
shift 2
mount --bind "$root" "$root"
mkdir -p "$root/demo" "$root/proc" "$root/sys"
mount --bind "$demo" "$root/demo"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -o remount,ro,bind "$root"
if touch "$root/written" 2>&-; then echo "the root can be written to" >&2; exit 1; fi
exec chroot "$root" "$@"
"#;

/// Checks an OCI archive that must have this digest and version.
pub(super) fn run(archive: &Path, digest: &str, version: &str) -> Result<()> {
    // Asked first: nobody should wait for the rest to learn that it was in vain.
    machine::as_root("true", "run the image's programs in it")?;
    ensure_skopeo()?;
    let directory = tempfile::tempdir().context("making a temporary directory")?;
    let root = directory.path().join("root");
    unpack(archive, digest, &directory.path().join("copy"), &root)?;
    let run = |words: &[&str]| in_image(&root, words);

    let said = run(&["/enforcer", "--version"])?;
    if said.trim() != format!("enforcer {version}") {
        bail!("the image is version {version}, but its program says {said:?}");
    }
    run(&["/enforcer", "check", "--deny-warnings", "/demo"])?;
    let programs = run(&["/enforcer", "debug", "programs", "--output", "json"])?;
    if !loaded(&programs) {
        bail!("the image's BPF programs do not load: {programs}");
    }
    ui::line("  checked    skopeo reads the image; its programs run in it on a read-only root");
    Ok(())
}

fn ensure_skopeo() -> Result<()> {
    if apt::is_here() {
        return apt::ensure(&[SKOPEO]);
    }
    machine::find("skopeo")
        .map(|_| ())
        .context("`skopeo` is missing: install it (this machine has no apt-get to do it with)")
}

/// Makes a root of the archive's layers, by programs that share no code with what packed it.
fn unpack(archive: &Path, digest: &str, copy: &Path, root: &Path) -> Result<()> {
    let source = format!("oci-archive:{}", archive.display());
    let mut inspect = Command::new("skopeo");
    inspect.args(["inspect", &source]);
    let seen: Value = serde_json::from_str(&shell::quiet(inspect)?)
        .context("`skopeo inspect` did not answer JSON")?;
    if seen["Digest"] != digest {
        bail!(
            "skopeo computes the digest {}, not {digest}",
            seen["Digest"]
        );
    }
    let mut skopeo = Command::new("skopeo");
    // Signatures are not what is asked about here.
    skopeo
        .args(["--insecure-policy", "copy", "--quiet", &source])
        .arg(format!("dir:{}", copy.display()));
    shell::quiet(skopeo)?;
    fs::create_dir(root).with_context(|| format!("making {}", root.display()))?;
    let layers = seen["Layers"].as_array().context("no layers")?;
    for layer in layers.iter().filter_map(Value::as_str) {
        let mut tar = Command::new("tar");
        tar.arg("--extract")
            .arg("--gzip")
            .arg("--file")
            .arg(copy.join(layer.trim_start_matches("sha256:")))
            .arg("--directory")
            .arg(root);
        shell::quiet(tar)?;
    }
    Ok(())
}

/// Runs a command in the unpacked image. The demo's manifests are at `/demo`.
fn in_image(root: &Path, words: &[&str]) -> Result<String> {
    let mut unshare = machine::as_root("unshare", "run the image's programs in it")?;
    unshare
        .args(["--mount", "--propagation", "private", "sh", "-euc"])
        .args([IN_IMAGE, "sh"])
        .arg(root)
        .arg(workspace::root().join("demo"))
        .args(words);
    let what = words.join(" ");
    shell::quiet(unshare).with_context(|| format!("running `{what}` in the image"))
}

/// Whether `enforcer debug programs` names programs that went through the verifier.
fn loaded(answer: &str) -> bool {
    let programs: Value = serde_json::from_str(answer).unwrap_or_default();
    programs.as_array().is_some_and(|programs| {
        !programs.is_empty()
            && programs
                .iter()
                .all(|program| program["instructions"].as_u64().is_some_and(|n| n > 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_count_as_loaded_when_the_kernel_tells_their_size() {
        assert!(loaded(r#"[{"name": "from_pod", "instructions": 900}]"#));
        assert!(!loaded(r#"[{"name": "from_pod", "instructions": null}]"#));
        assert!(!loaded("[]"));
        assert!(!loaded("error"));
    }
}
