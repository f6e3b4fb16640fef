//! What enforcer costs, measured against baselines.
//!
//! - [`stats`]: medians, quartiles, rounds that take turns;
//! - [`machine`]: where figures come from;
//! - [`report`]: what a bench found, as JSON and as Markdown;
//! - [`plot`]: the same as SVG;
//! - [`render`]: both into the documentation;
//! - [`packets`], [`path`], [`updates`], [`denials`], [`scale`]: the benches.

#![forbid(unsafe_code)]

pub mod denials;
pub mod machine;
pub mod options;
pub mod packets;
pub mod path;
pub mod plot;
pub mod program;
pub mod render;
pub mod report;
pub mod scale;
pub mod stats;
pub mod updates;
