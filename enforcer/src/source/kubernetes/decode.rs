//! From the bytes of one object to what is kept of it.

use enforcer_policy::intern::Name;
use kube::core::Status;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::kinds::Watched;
use super::message::News;
use crate::source::manifests::{Kind, ObjectKey};
use crate::source::problem::Problem;

/// One line of a watch.
#[derive(Debug)]
pub(super) enum Event {
    /// Something about an object, and the version at which it happened.
    News(Box<News>, String),
    /// Nothing about objects, but a version to go on from; and whether a streaming list ends here.
    Bookmark { version: String, ends_list: bool },
    /// The server ends the watch.
    Error(Box<Status>),
    /// Of a type that this program does not know.
    Other,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<'a> {
    #[serde(default)]
    pub metadata: PageMeta,
    #[serde(borrow, default)]
    pub items: Option<Vec<&'a RawValue>>,
}

/// Where a page is in its list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PageMeta {
    pub resource_version: String,
    #[serde(rename = "continue")]
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    what: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What every object has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    metadata: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: Option<String>,
    uid: String,
    resource_version: String,
    annotations: Option<Annotations>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    /// On the bookmark that ends a streaming list.
    #[serde(rename = "k8s.io/initial-events-end")]
    end: Option<String>,
}

/// Reads one line of a watch.
///
/// # Errors
/// When it is no event at all. An event of an object that cannot be taken is [`News::Refused`].
pub(super) fn event<W: Watched>(line: &[u8]) -> Result<Event, serde_json::Error> {
    let line: Line<'_> = serde_json::from_slice(line)?;
    if line.what == "ERROR" {
        return serde_json::from_str(line.object.get()).map(Event::Error);
    }
    let head: Head = serde_json::from_str(line.object.get())?;
    let meta = head.metadata;
    Ok(match line.what {
        "BOOKMARK" => Event::Bookmark {
            version: meta.resource_version,
            ends_list: meta.annotations.is_some_and(|all| all.end.is_some()),
        },
        "ADDED" | "MODIFIED" => {
            let version = meta.resource_version.clone();
            Event::News(Box::new(object::<W>(line.object, meta)), version)
        }
        "DELETED" => {
            let gone = News::Gone(key(W::KIND, &meta));
            Event::News(Box::new(gone), meta.resource_version)
        }
        _ => Event::Other,
    })
}

/// Reads one object of a page.
///
/// # Errors
/// When it is no object at all. One that cannot be taken is [`News::Refused`].
pub(super) fn item<W: Watched>(item: &RawValue) -> Result<News, serde_json::Error> {
    let head: Head = serde_json::from_str(item.get())?;
    Ok(object::<W>(item, head.metadata))
}

fn object<W: Watched>(raw: &RawValue, meta: Meta) -> News {
    let key = key(W::KIND, &meta);
    let object: W::Object = match serde_json::from_str(raw.get()) {
        Ok(object) => object,
        Err(error) => {
            let problem = Problem::of_object(&key, "wrong-type", error.to_string());
            return News::Refused(key, vec![problem]);
        }
    };
    match W::change(&object) {
        Ok(change) => News::Put {
            change,
            uid: meta.uid,
        },
        Err(invalid) => {
            let problems = invalid.iter().map(|one| Problem::of_field(&key, one));
            let problems = problems.collect();
            News::Refused(key, problems)
        }
    }
}

fn key(kind: Kind, meta: &Meta) -> ObjectKey {
    let namespace = meta.namespace.as_deref();
    let namespace = namespace.filter(|_| kind.is_namespaced());
    ObjectKey {
        kind,
        namespace: namespace.map(Name::from),
        name: meta.name.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use enforcer_policy::model::Change;

    use super::super::kinds::{NetworkPolicies, Pods};
    use super::*;

    fn read<W: Watched>(line: &serde_json::Value) -> Event {
        event::<W>(line.to_string().as_bytes()).unwrap()
    }

    fn pod(kind: &str) -> serde_json::Value {
        serde_json::json!({"type": kind, "object": {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "managedFields": [{"manager": "x"}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "x"}]},
            "status": {"podIPs": [{"ip": "10.0.0.1"}]}
        }})
    }

    #[test]
    fn an_object_that_is_added_or_modified_is_put() {
        for kind in ["ADDED", "MODIFIED"] {
            let Event::News(news, version) = read::<Pods>(&pod(kind)) else {
                panic!("no news");
            };
            assert_eq!(version, "7");
            let News::Put {
                change: Change::Pod(key, Some(pod)),
                uid,
            } = *news
            else {
                panic!("not put");
            };
            assert_eq!((key.to_string().as_str(), uid.as_str()), ("shop/a", "u"));
            assert_eq!(pod.addresses.len(), 1);
        }
    }

    #[test]
    fn an_object_that_is_deleted_is_gone_whatever_is_wrong_with_it() {
        let mut line = pod("DELETED");
        line["object"]["spec"] = serde_json::json!(3);
        let Event::News(news, version) = read::<Pods>(&line) else {
            panic!("no news");
        };
        assert_eq!(version, "7");
        assert!(matches!(*news, News::Gone(key) if key.to_string() == "Pod shop/a"));
    }

    #[test]
    fn what_cannot_be_taken_is_refused_by_name_and_field() {
        let mut types = pod("ADDED");
        types["object"]["spec"] = serde_json::json!(3);
        let mut address = pod("ADDED");
        address["object"]["status"]["podIPs"][0]["ip"] = "x".into();
        for (line, field) in [(types, None), (address, Some("status.podIPs[0].ip"))] {
            let Event::News(news, _) = read::<Pods>(&line) else {
                panic!("no news");
            };
            let News::Refused(key, problems) = *news else {
                panic!("not refused");
            };
            assert_eq!(key.to_string(), "Pod shop/a");
            assert_eq!(problems[0].object.as_deref(), Some("Pod shop/a"));
            assert_eq!(problems[0].field.as_deref(), field);
        }
    }

    #[test]
    fn the_bookmark_that_ends_a_list_is_told_from_others() {
        let bookmark = |annotations: serde_json::Value| {
            read::<NetworkPolicies>(&serde_json::json!({"type": "BOOKMARK", "object": {
                "metadata": {"resourceVersion": "9", "annotations": annotations}}}))
        };
        let end = bookmark(serde_json::json!({"k8s.io/initial-events-end": "true"}));
        assert!(matches!(end, Event::Bookmark { version, ends_list: true } if version == "9"));
        for annotations in [serde_json::json!(null), serde_json::json!({"other": "x"})] {
            let other = bookmark(annotations);
            assert!(matches!(
                other,
                Event::Bookmark {
                    ends_list: false,
                    ..
                }
            ));
        }
    }

    #[test]
    fn an_error_is_no_object_and_an_unknown_type_is_passed_over() {
        let error = serde_json::json!({"type": "ERROR", "object":
            {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}});
        assert!(matches!(read::<Pods>(&error), Event::Error(status) if status.code == 410));
        assert!(matches!(read::<Pods>(&pod("NEW")), Event::Other));
        assert!(event::<Pods>(b"{\"type\":\"ADDED\"}").is_err());
        assert!(event::<Pods>(b"<html>").is_err());
    }
}
