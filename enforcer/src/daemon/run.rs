//! The daemon's loop.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::source::Source;
use super::sweep::Sweep;
use super::{Daemon, DaemonError, Options, others, recent};
use crate::api::{server, tcp};
use crate::datapath::watch::Watcher;
use crate::flow::reader;
use crate::http;

/// How often a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How many questions may wait. As many pods may start together.
const QUESTIONS: usize = 128;

/// Runs until SIGTERM or SIGINT. What is attached stays in force then, unless `cleanup` is set.
pub async fn run(options: Options) -> Result<(), DaemonError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    let others = others::at_start(&options)?;
    // Watching begins before the first look, so that nothing is missed in between.
    let source = Source::start(&options).await?;
    let links = Watcher::start(&options.netns_dir)?;
    let (sweep, mut swept) = Sweep::new();
    let mut daemon = Daemon::new(options, source, sweep)?;
    daemon.others = others;
    let (events, denials) = (daemon.writer.take_events()?, daemon.writer.take_denials()?);
    let mut events = reader::start(events, denials).map_err(DaemonError::Events)?;
    daemon.unrecorded = events.unrecorded.clone();
    let (sender, mut questions) = mpsc::channel(QUESTIONS);
    let socket = server::listen(&daemon.options.socket, sender.clone()).map_err(|source| {
        DaemonError::Socket {
            path: daemon.options.socket.clone(),
            source,
        }
    })?;
    if let Some(address) = daemon.options.api_listen {
        tcp::listen(address, sender.clone(), daemon.strangers.clone())?;
    }
    let reports = daemon.report_to_api_server(sender.clone()).await;
    let uninstalled = daemon.follow_daemonset().await;
    let http = daemon
        .options
        .listen
        .map(|address| http::start(address, sender.clone(), daemon.reports.clone()))
        .transpose()?;
    let hubble = daemon.serve_hubble(sender)?;
    let export = daemon.export()?;

    daemon.reload();
    daemon.rescan().await;
    daemon.settle()?;
    // An interval and no sleep: other events may come more often than this one.
    let look = daemon.look.clone();
    let mut retry = tokio::time::interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut samples = tokio::time::interval(recent::INTERVAL);
    samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        daemon.sweep();
        tokio::select! {
            changed = daemon.source.changed() => {
                changed?;
                daemon.reload();
                daemon.settle()?;
            }
            () = links.changed() => daemon.rescan().await,
            () = look.notified() => daemon.rescan().await,
            Some(question) = questions.recv() => daemon.answer(question).await,
            Some(batch) = events.batches.recv() => daemon.record(&batch),
            Some(news) = swept.recv() => daemon.swept(news),
            task = daemon.read_back.task() => daemon.read_back(task),
            _ = samples.tick() => daemon.sample(),
            _ = retry.tick(), if daemon.writer.broken().is_some() => daemon.retry(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        // What many plugins ask at a time is done at once.
        if questions.is_empty() {
            daemon.advance_holds();
        }
    }
    daemon.options.cleanup |= uninstalled.is_some_and(|going| *going.borrow());
    if !daemon.options.cleanup {
        socket.leave();
    }
    // Nothing new is asked or told; requests on their way to the API server are not waited for.
    if let Some(reports) = reports {
        reports.stop().await;
    }
    drop((http, hubble));
    if let Some(export) = export {
        export.stop().await;
    }
    if let Some(keeper) = daemon.keeper.take() {
        keeper.stop().await;
    }
    daemon.stop()
}
