//! Runs the verbs on files.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use enforcer::cli::policy::{SuggestArgs, run_suggest};
use enforcer::cli::trace::{TraceArgs, run};
use serde_json::Value;
use tempfile::TempDir;

#[derive(Parser)]
struct Suggest {
    #[command(flatten)]
    args: SuggestArgs,
}

#[derive(Parser)]
struct Trace {
    #[command(flatten)]
    args: TraceArgs,
}

/// What a run wrote and returned.
pub(crate) struct Run {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: u8,
}

impl Run {
    /// Its output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A folder with manifests and records.
pub(crate) struct Folder {
    place: TempDir,
}

impl Folder {
    pub(crate) fn new(manifests: &str, records: &[Value]) -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("manifests")).unwrap();
        let folder = Self { place };
        fs::write(folder.manifests().join("all.yaml"), manifests).unwrap();
        let lines = records.iter().map(|record| format!("{record}\n"));
        fs::write(folder.flows(), lines.collect::<String>()).unwrap();
        folder
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.place.path().join("manifests")
    }

    pub(crate) fn flows(&self) -> PathBuf {
        self.place.path().join("flows.jsonl")
    }

    /// Suggests with manifests and these further arguments.
    pub(crate) fn suggest(&self, arguments: &str) -> Run {
        let manifests = self.manifests();
        self.suggest_alone(&format!("--manifests {} {arguments}", manifests.display()))
    }

    /// Suggests with these arguments alone.
    pub(crate) fn suggest_alone(&self, arguments: &str) -> Run {
        suggest(&format!("{} {arguments}", self.flows().display()))
    }

    /// Replays under the manifests.
    pub(crate) fn replay(&self, arguments: &str) -> Run {
        let (manifests, flows) = (self.manifests(), self.flows());
        let (manifests, flows) = (manifests.display(), flows.display());
        trace(&format!(
            "--manifests {manifests} --replay {flows} {arguments}"
        ))
    }
}

/// Runs `trace` with these arguments, which are split at white space.
pub(crate) fn trace(arguments: &str) -> Run {
    let arguments = ["trace"].into_iter().chain(arguments.split_whitespace());
    let cli = Trace::try_parse_from(arguments);
    let args = cli.unwrap_or_else(|error| panic!("{error}")).args;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&args, &mut out, &mut err).unwrap();
    written(out, err, code)
}

/// Runs `policy suggest` with these arguments, which are split at white space.
pub(crate) fn suggest(arguments: &str) -> Run {
    let arguments = ["suggest"].into_iter().chain(arguments.split_whitespace());
    let cli = Suggest::try_parse_from(arguments);
    let args = cli.unwrap_or_else(|error| panic!("{error}")).args;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_suggest(&args, &mut out, &mut err).unwrap();
    written(out, err, code)
}

fn written(out: Vec<u8>, err: Vec<u8>, code: u8) -> Run {
    Run {
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
        code,
    }
}
