//! Prometheus' own tool, and others, which `cargo xtask test` builds.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

/// Where `cargo xtask test` says the programs are.
const FOLDER: &str = "ENFORCER_MONITORING";

fn program(name: &str) -> PathBuf {
    let Some(folder) = env::var_os(FOLDER) else {
        panic!("{FOLDER} is not set: run this by `cargo xtask test`");
    };
    let path = PathBuf::from(folder).join(name);
    assert!(path.is_file(), "no {name} at {}", path.display());
    path
}

/// What a program of the folder answers.
pub(crate) fn run(name: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may have given up before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// What promtool answers.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Output {
    run("promtool", arguments, input)
}

/// Everything that it says.
pub(crate) fn words(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// It must be content.
pub(crate) fn passes(arguments: &[&str], input: &str) -> String {
    let output = promtool(arguments, input);
    let words = words(&output);
    assert!(
        output.status.success(),
        "promtool {arguments:?} ({}): {words}\n{input}",
        output.status
    );
    words
}

/// Reads a page in Prometheus' text form, and looks for what is bad custom.
pub(crate) fn takes_text(page: &str) {
    passes(&["check", "metrics"], page);
}

/// Whether Prometheus' own reader of `OpenMetrics` understands a page, and what it says. It is part of what makes
/// blocks of a database from samples with a time, so each gets one.
pub(crate) fn reads_open_metrics(page: &str, home: &Path) -> Output {
    let dated: String = page
        .lines()
        .flat_map(|line| {
            let is_sample = !line.starts_with('#');
            [line, if is_sample { " 1700000000.5" } else { "" }, "\n"]
        })
        .collect();
    let file = home.join("page");
    fs::write(&file, dated).unwrap();
    let [file, blocks] = [file, home.join("blocks")].map(|path| path.display().to_string());
    promtool(
        &["tsdb", "create-blocks-from", "openmetrics", &file, &blocks],
        "",
    )
}

/// It must be able to.
pub(crate) fn takes_open_metrics(page: &str) {
    let home = tempfile::tempdir().unwrap();
    let output = reads_open_metrics(page, home.path());
    assert!(output.status.success(), "{}\n{page}", words(&output));
    let blocks = fs::read_dir(home.path().join("blocks")).unwrap();
    assert!(blocks.count() > 0, "no sample was read:\n{page}");
}
