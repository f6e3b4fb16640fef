//! Tests that this kernel has no means for.

use std::fs::File;
use std::io::Write as _;

use crate::LabError;

/// The variable that names the file in which skipped tests are listed. `cargo xtask test` sets it
/// and shows the list at its end.
const SKIPPED: &str = "ENFORCER_SKIPPED_TESTS";

/// Lists a test as skipped for what the kernel lacks. Where nobody shows such a list, it is the
/// failure that it was.
pub fn skip(test: &str, lack: LabError) -> Result<(), LabError> {
    let Some(list) = std::env::var_os(SKIPPED) else {
        return Err(lack);
    };
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(&list)
        .map_err(LabError::file(&list))?;
    writeln!(file, "{test}: {lack}").map_err(LabError::file(&list))
}
