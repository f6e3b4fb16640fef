//! `metadata`: names, namespaces, labels.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{DEFAULT_NAMESPACE, syntax};
use crate::intern::Name;
use crate::invalid::{Invalid, Problem};
use crate::selector::Labels;

/// The name of an object whose kind is named by DNS subdomains. `generateName` is no name: there
/// is no server here that would choose one.
pub(crate) fn name(meta: &ObjectMeta, invalid: &mut Vec<Invalid>) -> Name {
    checked_name(meta, syntax::is_dns_subdomain, invalid)
}

/// The name of an object whose kind is named by DNS labels.
pub(crate) fn label_name(meta: &ObjectMeta, invalid: &mut Vec<Invalid>) -> Name {
    checked_name(meta, syntax::is_dns_label, invalid)
}

fn checked_name(
    meta: &ObjectMeta,
    valid: impl Fn(&str) -> bool,
    invalid: &mut Vec<Invalid>,
) -> Name {
    let name = meta.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        invalid.push(Invalid::new("metadata.name", Problem::Missing));
    } else if !valid(name) {
        invalid.push(Invalid::new(
            "metadata.name",
            Problem::BadName(name.to_owned()),
        ));
    }
    name.into()
}

/// The namespace of an object of a namespaced kind.
pub(crate) fn namespace(meta: &ObjectMeta, invalid: &mut Vec<Invalid>) -> Name {
    let Some(namespace) = meta.namespace.as_deref().filter(|name| !name.is_empty()) else {
        return DEFAULT_NAMESPACE.into();
    };
    if !syntax::is_dns_label(namespace) {
        invalid.push(Invalid::new(
            "metadata.namespace",
            Problem::BadName(namespace.to_owned()),
        ));
    }
    namespace.into()
}

/// The labels at `path`: `metadata.labels` or a `matchLabels`.
pub(crate) fn labels(
    labels: Option<&BTreeMap<String, String>>,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> Labels {
    for (key, value) in labels.into_iter().flatten() {
        if !syntax::is_label_key(key) {
            let problem = Problem::BadLabel(key.clone());
            invalid.push(Invalid::new(format!("{path}[{key}]"), problem));
        }
        if !syntax::is_label_value(value) {
            let problem = Problem::BadLabel(value.clone());
            invalid.push(Invalid::new(format!("{path}[{key}]"), problem));
        }
    }
    labels.into_iter().flatten().collect()
}

/// `value` when nothing was wrong with it.
pub(crate) fn finish<T>(value: T, invalid: Vec<Invalid>) -> Result<T, Vec<Invalid>> {
    if invalid.is_empty() {
        Ok(value)
    } else {
        Err(invalid)
    }
}
