//! `enforcer ui` in a real browser (Debian's chromium-headless-shell), over a real daemon with real traffic,
//! and over records of 2,000 pods. Needs root and a built BPF object.
//!
//! `ENFORCER_PICTURES=FOLDER` writes the pictures of docs/ui.md.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
#[path = "../wire_flows/shop.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod shop;

mod browser;
mod crowd;
mod doors;
mod drawing;
mod hostile;
mod live;
mod page;
mod pictures;
mod recorded;
mod served;
