//! Tests that were skipped, and why.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::ui::{self, Colour, paint};
use crate::workspace;

/// The variable by which tests know the list; without it they fail instead.
const LIST: &str = "ENFORCER_SKIPPED_TESTS";

/// A file to which tests add themselves when the kernel lacks what they are about.
pub(super) struct Skipped(PathBuf);

impl Skipped {
    /// Begins an empty list for the tests that this command runs.
    pub(super) fn of(cargo: &mut Command) -> Result<Self> {
        let list = workspace::target().join("skipped-tests");
        match fs::remove_file(&list) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", list.display()));
            }
            _ => {}
        }
        cargo.env(LIST, &list);
        Ok(Self(list))
    }

    /// Shows the list, if it is not empty.
    pub(super) fn show(self) -> Result<()> {
        let text = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            read => read.with_context(|| format!("reading {}", self.0.display()))?,
        };
        for line in text.lines() {
            ui::line(format_args!("{} {line}", paint(Colour::Yellow, "skipped")));
        }
        Ok(())
    }
}
