//! `enforcer ui`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::api::DEFAULT_SOCKET;
use crate::ui::{Options, Ui};

const EXAMPLES: &str = "Examples:
  enforcer ui
  enforcer ui --manifests new/     (policies and answers from these manifests, flows from the daemon)

From your own machine, with the daemon in a cluster, in two terminals:
  kubectl --namespace enforcer-system exec --stdin --tty POD -- enforcer ui
  kubectl --namespace enforcer-system port-forward POD 9872

Shows who talks to whom, this node's flow records, what policies let through, and why a connection is
allowed or denied. docs/ui.md has pictures.

Whoever opens the page needs the code of the link, which is good for one browser; then the next one is
printed. It stands behind #, so that no server and no log gets it.

Exit codes: 0 interrupted; 2 an error: the address is taken, or is not a loopback address.";

/// Serve a page for a browser on this machine.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct UiArgs {
    /// Where to listen, on a loopback address; port 0 is any that is free.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9872")]
    listen: SocketAddr,
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Folder or file of manifests: show these policies and judge by them, not by those in force.
    #[arg(long, value_name = "PATH")]
    manifests: Option<PathBuf>,
}

pub(super) fn run(args: UiArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(args))?;
    // Answers on their way are not waited for.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: UiArgs) -> anyhow::Result<()> {
    let options = Options {
        listen: args.listen,
        socket: args.socket,
        manifests: args.manifests,
    };
    let ui = Ui::bind(options).await?;
    let mut out = std::io::stdout();
    writeln!(out, "Open {}", ui.link())?;
    writeln!(out, "Ctrl-C ends it.")?;
    let stop = async {
        // Without a handler the signal ends the process all the same.
        let _ = tokio::signal::ctrl_c().await;
    };
    ui.serve(stop).await?;
    Ok(())
}
