//! A directory (or file) of manifests as the source of objects.
//!
//! ```text
//! files ─→ yaml (located tree) ─→ identify ─→ typed (k8s-openapi) ─→ enforcer_policy::{api, lower} ─→ Object
//! ```
//!
//! Every stage adds [`Problem`](super::problem::Problem)s with file, line and field; an object with
//! an error is not taken, and [`ManifestSource`] keeps its last good version.

mod cache;
mod changes;
mod fields;
mod files;
mod identify;
mod json;
pub(crate) mod load;
mod object;
mod quantities;
pub(crate) mod read;
mod source;
mod spelling;
mod typed;
mod watch;
mod wording;
pub(crate) mod yaml;

pub use changes::Changes;
pub use object::{Kind, NameError, Object, ObjectKey};
pub use source::{ManifestSource, Snapshot};
pub(crate) use spelling::closest;
pub use watch::{Watch, WatchError};
