//! Manifests, as JSON values, to API objects.

use std::collections::BTreeSet;

use enforcer_policy::oracle::Objects;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, NamespaceResourceScope};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a manifest is of no use to a test.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It does not say what it is, or is of a kind that no policy looks at.
    #[error("kind {0} is not one that policies look at")]
    Kind(Value),
    /// It does not fit the API.
    #[error("{name}: {source}")]
    Schema {
        /// What it calls itself.
        name: Value,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// It has a field that the API does not know: a typing mistake would change what is tested.
    #[error("{name}: unknown field {field}")]
    UnknownField {
        /// What it calls itself.
        name: Value,
        /// The path of the field.
        field: String,
    },
    /// The same object is there twice, so that one would hide the other.
    #[error("{0} is there twice")]
    Twice(String),
    /// What should be deleted is not written as `KIND NAMESPACE/NAME` or `KIND NAME`, or is not there.
    #[error("there is no {0} to delete")]
    NothingToDelete(String),
}

/// Adds the objects of the manifests; those that are there already under the same kind, namespace
/// and name are replaced.
pub fn apply(objects: &mut Objects, manifests: &[Value]) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for manifest in manifests {
        let metadata = &manifest["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let name = format!("{} {namespace}/{}", manifest["kind"], metadata["name"]);
        if !seen.insert(name.clone()) {
            return Err(ManifestError::Twice(name));
        }
        apply_one(objects, manifest)?;
    }
    Ok(())
}

fn apply_one(objects: &mut Objects, manifest: &Value) -> Result<(), ManifestError> {
    match manifest["kind"].as_str() {
        Some("Node") => put(&mut objects.nodes, parse(manifest)?),
        Some("Namespace") => put(&mut objects.namespaces, parse(manifest)?),
        Some("Pod") => put(&mut objects.pods, parse(manifest)?),
        Some("NetworkPolicy") => put(&mut objects.policies, parse(manifest)?),
        Some("Service") => put(&mut objects.services, parse(manifest)?),
        Some("EndpointSlice") => put(&mut objects.slices, parse(manifest)?),
        _ => return Err(ManifestError::Kind(manifest["kind"].clone())),
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(manifest: &Value) -> Result<T, ManifestError> {
    let name = || manifest["metadata"]["name"].clone();
    let mut unknown = None;
    let object = serde_ignored::deserialize(manifest, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    })
    .map_err(|source| ManifestError::Schema {
        name: name(),
        source,
    })?;
    match unknown {
        None => Ok(object),
        Some(field) => Err(ManifestError::UnknownField {
            name: name(),
            field,
        }),
    }
}

/// Replaces the object of the same namespace and name, or adds it.
pub fn put<T: Metadata<Ty = ObjectMeta>>(list: &mut Vec<T>, object: T) {
    let key = key_of(&object);
    match list.iter_mut().find(|old| key_of(*old) == key) {
        Some(old) => *old = object,
        None => list.push(object),
    }
}

/// Removes the object that `KIND NAMESPACE/NAME` or, for kinds without namespace, `KIND NAME` means.
pub fn delete(objects: &mut Objects, what: &str) -> Result<(), ManifestError> {
    let missing = || ManifestError::NothingToDelete(what.to_owned());
    let (kind, name) = what.split_once(' ').ok_or_else(missing)?;
    let removed = match kind {
        "Node" => remove(&mut objects.nodes, None, name),
        "Namespace" => remove(&mut objects.namespaces, None, name),
        "Pod" => remove_namespaced(&mut objects.pods, name),
        "NetworkPolicy" => remove_namespaced(&mut objects.policies, name),
        "Service" => remove_namespaced(&mut objects.services, name),
        "EndpointSlice" => remove_namespaced(&mut objects.slices, name),
        _ => false,
    };
    if removed { Ok(()) } else { Err(missing()) }
}

fn remove_namespaced<T>(list: &mut Vec<T>, name: &str) -> bool
where
    T: Metadata<Ty = ObjectMeta, Scope = NamespaceResourceScope>,
{
    name.split_once('/')
        .is_some_and(|(namespace, name)| remove(list, Some(namespace), name))
}

fn remove<T: Metadata<Ty = ObjectMeta>>(
    list: &mut Vec<T>,
    namespace: Option<&str>,
    name: &str,
) -> bool {
    let before = list.len();
    list.retain(|object| {
        let metadata = object.metadata();
        let there = namespace.map(|_| metadata.namespace.as_deref().unwrap_or("default"));
        metadata.name.as_deref() != Some(name) || there != namespace
    });
    list.len() < before
}

fn key_of<T: Metadata<Ty = ObjectMeta>>(object: &T) -> (String, String) {
    let metadata = object.metadata();
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let name = metadata.name.as_deref().unwrap_or_default();
    (namespace.to_owned(), name.to_owned())
}
