//! The client that the watches share, and its renewal.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::Notify;

use crate::kubernetes::client::{Access, ConnectError, connect};

/// Credentials are read anew at most this often.
const RENEWAL: Duration = Duration::from_secs(5);

/// A client that can be made anew, when credentials on disk may have changed.
pub(super) struct Connection {
    access: Access,
    node: String,
    client: Mutex<(Client, Instant)>,
    reached: Notify,
}

impl Connection {
    pub(super) async fn new(access: Access, node: String) -> Result<Self, ConnectError> {
        let client = connect(&access, &node).await?;
        Ok(Self {
            access,
            node,
            client: Mutex::new((client, Instant::now())),
            reached: Notify::new(),
        })
    }

    pub(super) fn client(&self) -> Client {
        self.lock().0.clone()
    }

    /// Reads the credentials anew, unless that has just been done: all watches fail together.
    pub(super) async fn renew(&self) -> Result<(), ConnectError> {
        {
            let mut held = self.lock();
            if held.1.elapsed() < RENEWAL {
                return Ok(());
            }
            held.1 = Instant::now();
        }
        let client = connect(&self.access, &self.node).await?;
        self.lock().0 = client;
        Ok(())
    }

    /// Waits until somebody has reached the server.
    pub(super) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Tells all who wait for it.
    pub(super) fn has_reached(&self) {
        self.reached.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Client, Instant)> {
        let held = self.client.lock();
        held.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
