//! Namespaces.

use k8s_openapi::api::core::v1;

use super::meta;
use crate::invalid::Invalid;
use crate::model::{NAMESPACE_NAME_LABEL, Namespace};

/// A namespace by name, with its labels; the label with its name is added, as the API server does.
///
/// # Errors
/// All that is wrong with its name and labels.
pub fn namespace(object: &v1::Namespace) -> Result<(String, Namespace), Vec<Invalid>> {
    let mut invalid = Vec::new();
    let name = meta::label_name(&object.metadata, &mut invalid);
    let mut labels = meta::labels(
        object.metadata.labels.as_ref(),
        "metadata.labels",
        &mut invalid,
    );
    labels.insert(NAMESPACE_NAME_LABEL, name.clone());
    meta::finish((name.into(), Namespace { labels }), invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<(String, Namespace), Vec<Invalid>> {
        namespace(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_namespace_always_carries_the_label_with_its_name() {
        let (name, namespace) = read(json!({"metadata": {
            "name": "shop",
            "labels": {"team": "a", "kubernetes.io/metadata.name": "forged"}
        }}))
        .unwrap();
        assert_eq!(name, "shop");
        assert_eq!(namespace.labels["kubernetes.io/metadata.name"], "shop");
        assert_eq!(namespace.labels["team"], "a");
    }

    #[test]
    fn all_mistakes_are_told_with_their_fields() {
        let invalid = read(json!({"metadata": {
            "name": "a.b",
            "labels": {"-x": "1", "y": "a b"}
        }}))
        .unwrap_err();
        let fields: Vec<_> = invalid.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            ["metadata.name", "metadata.labels[-x]", "metadata.labels[y]"]
        );
    }
}
