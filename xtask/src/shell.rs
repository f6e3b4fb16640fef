//! Running commands: each is a step with a name, a visible progress and a time.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ui::{self, Colour, paint};

/// How often a moving progress line is drawn anew.
const TICK: Duration = Duration::from_millis(100);
/// How often a plain log says that a step is still at work.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// The last look at a spinner, turned one step every tick.
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Runs a command as a step called `what`. Its output is shown only when it fails, and then whole.
pub(crate) fn step(what: &str, mut command: Command) -> Result<()> {
    let start = Instant::now();
    let shown = display(&command);
    let (reader, writer) = std::io::pipe().context("making a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("copying a pipe")?)
        .stderr(writer);
    if !ui::fancy() {
        ui::line(format_args!("==> {what}"));
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("starting `{shown}`"))?;
    // The command owns writing ends of the pipe, which must be gone for the reader to see the end.
    drop(command);
    let lines = lines(reader);
    let output = watch(what, start, &lines);
    let status = child
        .wait()
        .with_context(|| format!("waiting for `{shown}`"))?;
    finish(what, start, status, &shown, &output)
}

/// Runs a command as a step called `what` whose output is what the user wants to see.
pub(crate) fn show(what: &str, mut command: Command) -> Result<()> {
    let start = Instant::now();
    ui::line(format_args!("{} {what}", paint(Colour::Cyan, "==>")));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting `{}`", display(&command)))?;
    finish(what, start, status, &display(&command), &[])
}

/// Runs a short command without a word; its output is part of the error when it fails.
///
/// Returns what it wrote to its standard output.
pub(crate) fn quiet(mut command: Command) -> Result<String> {
    let shown = display(&command);
    let output = command
        .stdin(Stdio::null())
        // Ctrl-C must not stop a command halfway that cleans up.
        .process_group(0)
        .output()
        .with_context(|| format!("starting `{shown}`"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The lines of an output, as they come.
pub(crate) fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}

/// Collects the lines until the command closes its output, and shows that it is alive.
fn watch(what: &str, start: Instant, lines: &Receiver<String>) -> Vec<String> {
    let mut output: Vec<String> = Vec::new();
    let mut heartbeat = start + HEARTBEAT;
    let mut turn = SPINNER.iter().cycle();
    loop {
        let last = output.last().map_or("", |line| line.trim());
        if ui::fancy() {
            let spinner = turn.next().unwrap_or(&' ');
            let time = ui::seconds(start.elapsed());
            ui::redraw(&format!("  {spinner} {what}  {time}  {last}"));
        } else if Instant::now() >= heartbeat {
            ui::line(format_args!(
                "    {} so far: {last}",
                ui::seconds(start.elapsed())
            ));
            heartbeat += HEARTBEAT;
        }
        let tick = Instant::now() + TICK;
        loop {
            match lines.recv_timeout(tick.saturating_duration_since(Instant::now())) {
                Ok(line) => output.push(line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return output,
            }
        }
    }
}

/// Says how a step ended.
fn finish(
    what: &str,
    start: Instant,
    status: ExitStatus,
    shown: &str,
    output: &[String],
) -> Result<()> {
    if ui::fancy() {
        ui::redraw("");
    }
    if status.success() {
        done(what, start.elapsed());
        return Ok(());
    }
    for line in output {
        ui::line(line);
    }
    ui::line(format_args!("  {} {what}", paint(Colour::Red, "FAILED")));
    bail!("{what}: `{shown}` failed ({status})")
}

/// Says that a step is done.
pub(crate) fn done(what: &str, time: Duration) {
    let mark = if ui::fancy() { "  ✔" } else { "    done:" };
    let time = paint(Colour::Dim, ui::seconds(time));
    ui::line(format_args!(
        "{} {what}  {time}",
        paint(Colour::Green, mark)
    ));
}

/// The command as one would type it.
fn display(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|a| a.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_step_that_succeeds_is_no_error() {
        step("two lines", sh("echo out; echo err >&2")).unwrap();
    }

    #[test]
    fn a_failing_step_names_itself_the_command_and_the_exit_code() {
        let error = step("the impossible", sh("exit 7"))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the impossible: `sh -c exit 7` failed (exit status: 7)"
        );
    }

    #[test]
    fn a_command_that_does_not_exist_is_named() {
        let error = step("nothing", Command::new("enforcer-no-such-command")).unwrap_err();
        assert!(
            error.to_string().contains("enforcer-no-such-command"),
            "{error}"
        );
    }

    #[test]
    fn a_failing_quiet_command_carries_what_it_complained_about() {
        let error = quiet(sh("echo 'no such link' >&2; exit 1"))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("no such link"), "{error}");
    }

    #[test]
    fn a_quiet_command_returns_its_output() {
        assert_eq!(quiet(sh("echo 3306")).unwrap(), "3306\n");
    }
}
