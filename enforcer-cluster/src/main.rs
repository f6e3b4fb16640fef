//! Starts a control plane, prints the administrator's kubeconfig, and ends with its input or by Ctrl-C:
//! to try things by hand (`cargo xtask envtest --hold`).

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use enforcer_cluster::{ControlPlane, Options};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let plane = ControlPlane::start(&Options::default())?;
    writeln!(io::stdout(), "{}", plane.kubeconfig().display())?;
    // Ctrl-C ends this process at once; servers and files go with it all the same.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
