//! From the bytes of one object to what is kept of it.

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
    ObjectKey {
        kind,
        namespace: meta.namespace.clone().filter(|_| kind.is_namespaced()),
        name: meta.name.clone(),
    }
}
