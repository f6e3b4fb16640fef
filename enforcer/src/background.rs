//! A server beside the daemon's loop: a thread of its own, so that neither waits for the other.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// It ends when dropped.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once, whatever is on its way.
            let _ = thread.join();
        }
    }
}

impl Background {
    /// Starts to serve, on a runtime of its own.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(crate) fn start(
        name: &str,
        serve: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = async {
            tokio::select! {
                () = serve => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(serving);
            // What is still under way is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}
