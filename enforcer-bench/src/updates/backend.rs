//! Where objects are written so that the daemon learns of them.

use std::ffi::OsString;

use anyhow::Result;
use serde_json::Value;

/// A directory of manifests, or an API server.
pub(super) trait Backend: Send + Sync {
    /// The flags by which the daemon finds it.
    fn flags(&self) -> Vec<OsString>;

    /// Puts in many objects, in any order.
    fn fill(&self, objects: Vec<Value>) -> Result<()>;

    /// Puts an object in, or changes it. The change counts from when this returns.
    fn put(&self, object: &Value) -> Result<()>;

    /// Deletes an object. The change counts from when this returns.
    fn delete(&self, object: &Value) -> Result<()>;
}

/// What tells an object from all others.
pub(super) fn key(object: &Value) -> [String; 3] {
    let metadata = &object["metadata"];
    let words = [&object["kind"], &metadata["namespace"], &metadata["name"]];
    words.map(|word| word.as_str().unwrap_or_default().to_owned())
}
