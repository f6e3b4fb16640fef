//! The policy compiler: Kubernetes objects in, kernel tables out.
//!
//! ```text
//! k8s-openapi objects ─ api, lower ─→ model::Change ─→ compile::Compiler ─→ Vec<tables::Op> ─→ kernel
//! ```
//!
//! - [`api`] and [`lower`] are the only places where outside types are looked at; what is wrong
//!   with an object is found there and nowhere later ([`invalid::Invalid`]).
//! - [`model`] says what is: nodes, namespaces, pods, policies as [`rule::Rule`]s.
//! - [`compile`] keeps [`tables::Tables`] in step with the model and says in which order the kernel
//!   must be told.
//! - [`service`] says where connections to services go.
//! - [`explain`] says why, in the words of the policies.
//! - [`oracle`] is the second opinion: it evaluates the API objects naively and shares nothing with
//!   the way above but the object types.
//!
//! No I/O, no clock, no async: the same input gives the same bytes.

#![forbid(unsafe_code)]

pub mod api;
pub mod compile;
pub mod explain;
pub mod few;
pub mod intern;
pub mod invalid;
pub mod lower;
pub mod model;
pub mod oracle;
pub mod rule;
pub mod selector;
pub mod service;
pub mod tables;
