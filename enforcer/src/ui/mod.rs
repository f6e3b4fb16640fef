//! The page that `enforcer ui` serves to a browser on the same machine.
//!
//! ```text
//! browser ─→ guard ─→ files: the page                      (nothing secret is in it)
//!              └───→ session ─→ ask, flows ─→ the daemon's socket, or manifests
//! ```
//!
//! A client of the daemon like any other verb: the daemon itself serves no page.

mod ask;
mod files;
mod flows;
mod guard;
mod manifests;
mod secret;
mod serve;
mod session;

pub use self::serve::{Options, Ui, UiError};
