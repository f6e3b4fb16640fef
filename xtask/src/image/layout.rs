//! The image as OCI describes it: configuration, manifest and index around one layer.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::digest;
use super::layer::Layer;
use super::tree::Tree;

/// What is said about an image besides its files.
pub(super) struct About {
    /// As Go names architectures, and so OCI.
    pub(super) architecture: &'static str,
    pub(super) version: &'static str,
    /// The commit, where it is known.
    pub(super) revision: Option<String>,
    /// When it was made, as RFC 3339 writes it.
    pub(super) created: String,
    /// With registry, without tag: what cluster nodes look for when they are to run it.
    pub(super) name: String,
}

/// An image, ready to be written.
pub(super) struct Image {
    /// The manifest's digest, which is the image's.
    pub(super) digest: String,
    /// The files of the layout.
    pub(super) layout: Tree,
    /// Bytes of all blobs: what a node downloads.
    pub(super) size: u64,
}

/// How OCI calls the architecture that Rust calls `rust`.
pub(super) fn architecture(rust: &str) -> Result<&'static str> {
    match rust {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        _ => bail!("images are built on x86_64 and aarch64, and this machine is {rust}"),
    }
}

/// The full form of a name that may leave out the registry, as container runtimes complete it.
pub(super) fn full_name(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// Puts an image around a layer.
pub(super) fn image(about: &About, layer: &Layer) -> Result<Image> {
    let mut blobs = Blobs::default();
    let labels = labels(about);
    let config = blobs.json(
        "application/vnd.oci.image.config.v1+json",
        &config(about, &labels, &layer.diff_id),
    )?;
    let packed = blobs.add(
        "application/vnd.oci.image.layer.v1.tar+gzip",
        layer.content.clone(),
    );
    let paths = [&config, &packed].map(|blob| path(&blob["digest"]));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [packed],
        "annotations": labels,
    });
    let manifest = blobs.json(MANIFEST, &manifest)?;
    let digest = text(&manifest["digest"]).to_owned();
    let size = blobs.size();
    let mut layout = blobs.layout;
    layout.text("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    layout.text("index.json", bytes(&index(about, manifest))?);
    layout.text("manifest.json", bytes(&old_index(about, &paths))?);
    Ok(Image {
        digest,
        layout,
        size,
    })
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn labels(about: &About) -> BTreeMap<&'static str, &str> {
    let mut labels = BTreeMap::from([
        ("org.opencontainers.image.title", "enforcer"),
        (
            "org.opencontainers.image.description",
            "Makes Kubernetes network policies true on any CNI",
        ),
        ("org.opencontainers.image.version", about.version),
        // The BPF programs have their own; those of all parts are in /sbom.cdx.json.
        (
            "org.opencontainers.image.licenses",
            "Apache-2.0 AND (MIT OR GPL-2.0-only)",
        ),
    ]);
    if let Some(revision) = &about.revision {
        labels.insert("org.opencontainers.image.revision", revision);
    }
    labels
}

fn config(about: &About, labels: &BTreeMap<&'static str, &str>, diff_id: &str) -> Value {
    json!({
        "architecture": about.architecture,
        "os": "linux",
        "created": about.created,
        "config": {
            "Entrypoint": ["/enforcer"],
            "Cmd": ["run"],
            // So that `kubectl exec … -- enforcer status` finds it.
            "Env": ["PATH=/"],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": about.created, "created_by": "cargo xtask image"}],
    })
}

/// The entry into the layout. The names are for containerd and for all others.
fn index(about: &About, mut manifest: Value) -> Value {
    manifest["platform"] = json!({"architecture": about.architecture, "os": "linux"});
    manifest["annotations"] = json!({
        "io.containerd.image.name": format!("{}:{}", about.name, about.version),
        "org.opencontainers.image.ref.name": about.version,
    });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    })
}

/// What Docker before version 25 reads instead of the index.
fn old_index(about: &About, [config, layer]: &[String; 2]) -> Value {
    json!([{
        "Config": config,
        "RepoTags": [format!("{}:{}", about.name, about.version)],
        "Layers": [layer],
    }])
}

/// The layout's contents, named by their digests.
#[derive(Default)]
struct Blobs {
    layout: Tree,
}

impl Blobs {
    /// Adds a blob, and describes it.
    fn add(&mut self, kind: &str, content: Vec<u8>) -> Value {
        let digest = Value::from(digest::oci(&content));
        let descriptor = json!({"mediaType": kind, "digest": digest, "size": content.len()});
        self.layout.text(&path(&digest), content);
        descriptor
    }

    fn json(&mut self, kind: &str, value: &Value) -> Result<Value> {
        Ok(self.add(kind, bytes(value)?))
    }

    fn size(&self) -> u64 {
        self.layout.size()
    }
}

/// Where the layout has the blob of a digest.
fn path(digest: &Value) -> String {
    format!("blobs/{}", text(digest).replace(':', "/"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("writing JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            architecture: "amd64",
            version: "0.1.0",
            revision: Some("14cef78".into()),
            created: "1970-01-01T00:00:00Z".into(),
            name: full_name("enforcer"),
        }
    }

    fn built(about: &About) -> Image {
        let layer = Layer {
            content: b"compressed".to_vec(),
            diff_id: digest::oci(b"plain"),
        };
        image(about, &layer).unwrap()
    }

    /// The files of the layout; JSON ones parsed.
    fn parsed(image: &Image) -> BTreeMap<String, Value> {
        image
            .layout
            .files()
            .map(|(path, file)| {
                let value = serde_json::from_slice(&file.content).unwrap_or_default();
                (path.to_owned(), value)
            })
            .collect()
    }

    #[test]
    fn every_blob_is_named_by_the_digest_of_what_it_holds() {
        let image = built(&about());
        let mut blobs = 0;
        for (path, file) in image.layout.files() {
            if let Some(name) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(name, digest::hex(&file.content));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3, "configuration, layer, manifest");
    }

    #[test]
    fn the_index_leads_to_manifest_configuration_and_layer() {
        let image = built(&about());
        let files = parsed(&image);
        let entry = &files["index.json"]["manifests"][0];
        assert_eq!(entry["digest"], image.digest.as_str());
        assert_eq!(
            entry["annotations"]["io.containerd.image.name"],
            "docker.io/library/enforcer:0.1.0"
        );
        let manifest = &files[&path(&entry["digest"])];
        let config = &files[&path(&manifest["config"]["digest"])];
        assert_eq!(config["config"]["Entrypoint"], json!(["/enforcer"]));
        assert_eq!(config["config"]["Cmd"], json!(["run"]));
        assert_eq!(config["rootfs"]["diff_ids"][0], digest::oci(b"plain"));
        assert_eq!(manifest["layers"][0]["digest"], digest::oci(b"compressed"));
        let old = &files["manifest.json"][0];
        assert_eq!(old["Config"], path(&manifest["config"]["digest"]));
        assert_eq!(old["Layers"][0], path(&manifest["layers"][0]["digest"]));
    }

    #[test]
    fn labels_tell_version_and_revision_and_leave_out_what_is_unknown() {
        let known = labels(&about()).len();
        let mut about = about();
        about.revision = None;
        let labels = labels(&about);
        assert_eq!(labels["org.opencontainers.image.version"], "0.1.0");
        assert!(!labels.contains_key("org.opencontainers.image.revision"));
        assert_eq!(labels.len() + 1, known);
    }

    #[test]
    fn the_name_an_image_is_found_by_does_not_change_its_digest() {
        let mut other = about();
        other.name = full_name("registry.example/team/enforcer");
        assert_eq!(built(&about()).digest, built(&other).digest);
    }

    #[test]
    fn names_are_completed_as_container_runtimes_do() {
        assert_eq!(full_name("enforcer"), "docker.io/library/enforcer");
        assert_eq!(full_name("team/enforcer"), "docker.io/team/enforcer");
        for full in ["localhost/enforcer", "registry.example/a/b", "host:5000/a"] {
            assert_eq!(full_name(full), full);
        }
    }

    #[test]
    fn an_architecture_without_images_is_an_error_that_names_it() {
        assert_eq!(architecture("aarch64").unwrap(), "arm64");
        let error = architecture("riscv64").unwrap_err().to_string();
        assert!(error.contains("riscv64"), "{error}");
    }
}
