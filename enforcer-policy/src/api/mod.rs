//! The only door for Kubernetes objects that describe what is: k8s-openapi types in,
//! [`crate::model`] types out.
//!
//! Every function reports all that is wrong with an object, never only the first, and refuses what
//! the API server would refuse in the fields that matter here. Fields that do not matter to
//! policies are not looked at: a pod without containers is fine.

mod choice;
mod endpoint_slice;
pub(crate) mod meta;
mod namespace;
mod node;
mod owner;
mod pod;
mod service;
pub(crate) mod syntax;

pub use endpoint_slice::endpoint_slice;
pub use namespace::namespace;
pub use node::node;
pub use pod::pod;
pub use service::service;
pub use syntax::{is_label_key, is_label_value};

/// Exempts a pod from anti-spoofing when set to `"true"`.
pub const ALLOW_SPOOFING_ANNOTATION: &str = "enforcer.dev/allow-spoofing";

/// The namespace of an object that names none.
pub const DEFAULT_NAMESPACE: &str = "default";
