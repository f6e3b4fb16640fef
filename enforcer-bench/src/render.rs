//! Reports into the documentation: the part of `benchmarks.md` between
//! `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, and a file for each plot.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::report::Report;

/// Where reports are and where they go.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Reports as JSON.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// The folder with `benchmarks.md`.
    #[arg(long, value_name = "FOLDER")]
    docs: PathBuf,
}

/// Writes the generated parts anew.
pub fn run(arguments: &Arguments) -> Result<()> {
    let page = arguments.docs.join("benchmarks.md");
    let mut text = read(&page)?;
    for path in &arguments.reports {
        let report: Report = serde_json::from_str(&read(path)?)
            .with_context(|| format!("{} is no report of a bench", path.display()))?;
        if report.quick {
            bail!(
                "{} is of a quick run, whose figures are worth nothing: run `cargo xtask bench {}`",
                path.display(),
                report.bench
            );
        }
        text = replaced(&text, &report).with_context(|| page.display().to_string())?;
        draw(&report, &arguments.docs)?;
    }
    fs::write(&page, text).with_context(|| format!("writing {}", page.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn draw(report: &Report, docs: &Path) -> Result<()> {
    for plot in &report.plots {
        let path = docs.join(report.file(plot));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        fs::write(&path, plot.svg()?).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The page with the part of a bench made new.
fn replaced(page: &str, report: &Report) -> Result<String> {
    let begin = format!("<!-- bench:{} -->", report.bench);
    let end = format!("<!-- /bench:{} -->", report.bench);
    let missing = || format!("it has no part between {begin:?} and {end:?}");
    let (before, rest) = page.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    let part = report.markdown();
    Ok(format!("{before}{begin}\n\n{part}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_of_the_bench_is_made_new() -> Result<()> {
        let page = "Words.\n<!-- bench:path -->\nold\n<!-- /bench:path -->\nMore words.\n";
        let report = Report::new("path", false);
        let new = replaced(page, &report)?;
        assert!(new.starts_with("Words.\n<!-- bench:path -->\n"));
        assert!(new.ends_with("<!-- /bench:path -->\nMore words.\n"));
        assert!(!new.contains("old"));
        assert_eq!(replaced(&new, &report)?, new);
        Ok(())
    }

    #[test]
    fn a_page_without_the_part_is_an_error() {
        let report = Report::new("scale", false);
        assert!(replaced("<!-- bench:scale -->", &report).is_err());
    }
}
