//! Runs the verb on manifests in files.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use enforcer::cli::trace::{TraceArgs, run};
use serde_json::Value;
use tempfile::TempDir;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    trace: TraceArgs,
}

/// What a run wrote and returned.
pub(crate) struct Run {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: u8,
}

impl Run {
    /// The lines of its output as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A folder of manifests, and room for other files.
pub(crate) struct Folder {
    place: TempDir,
}

impl Folder {
    /// A folder with one file of manifests.
    pub(crate) fn with(manifests: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("manifests")).unwrap();
        let folder = Self { place };
        fs::write(folder.manifests().join("all.yaml"), manifests).unwrap();
        folder
    }

    /// Where the manifests are.
    pub(crate) fn manifests(&self) -> PathBuf {
        self.place.path().join("manifests")
    }

    /// Runs `trace` with these further arguments, which are split at white space.
    pub(crate) fn trace(&self, arguments: &str) -> Run {
        trace(&self.manifests(), arguments)
    }

    /// Answers a batch with these further arguments.
    pub(crate) fn batch(&self, questions: &str, arguments: &str) -> Run {
        let path = self.place.path().join("questions");
        fs::write(&path, questions).unwrap();
        self.trace(&format!("--batch {} {arguments}", path.display()))
    }
}

fn trace(manifests: &Path, arguments: &str) -> Run {
    run_alone(&format!("--manifests {} {arguments}", manifests.display()))
}

/// Runs `trace` with these arguments alone.
pub(crate) fn run_alone(arguments: &str) -> Run {
    let arguments = ["trace"].into_iter().chain(arguments.split_whitespace());
    let args = Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args.trace, &mut out, &mut err).unwrap();
    Run {
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
        code,
    }
}

/// What is wrong with these arguments of `trace`, which are split at white space.
pub(crate) fn refusal(arguments: &str) -> String {
    let arguments = ["trace"].into_iter().chain(arguments.split_whitespace());
    match Cli::try_parse_from(arguments) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}
