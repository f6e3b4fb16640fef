//! Objects in a real API server.

use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use enforcer_cluster::{Account, ControlPlane, Objects, Options};
use enforcer_lab::{Namespace, relay};
use serde_json::Value;

use super::backend::Backend;

/// What users install; the daemon has the rights of its service account.
const MANIFESTS: &str = include_str!("../../../deploy/manifests/enforcer.yaml");
const NAMESPACE: &str = "enforcer-system";
const ACCOUNT: &str = "enforcer";

/// Longer than any run.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// Requests at a time while it is filled.
const AT_ONCE: usize = 8;

/// A control plane without controllers, and the daemon's account there.
pub(super) struct Server {
    objects: Objects,
    account: Account,
    // Goes last.
    plane: ControlPlane,
}

impl Server {
    /// Starts one. What is in `node` reaches it at the address that it has outside.
    pub(super) fn start(node: &Namespace) -> Result<Self> {
        let plane = ControlPlane::start(&Options {
            controller_manager: false,
            ..Options::default()
        })
        .context("starting a control plane; `cargo xtask bench updates` builds its programs")?;
        plane.apply(MANIFESTS)?;
        relay(node, plane.port())?;
        let url = plane.url();
        let account = plane.service_account_kubeconfig(NAMESPACE, ACCOUNT, LIFETIME, &url)?;
        Ok(Self {
            objects: plane.objects()?,
            account,
            plane,
        })
    }
}

impl Backend for Server {
    fn flags(&self) -> Vec<OsString> {
        vec!["--kubeconfig".into(), self.account.kubeconfig().into()]
    }

    fn fill(&self, objects: Vec<Value>) -> Result<()> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let server = self.plane.objects()?;
            while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                server.put(object)?;
                if object.get("status").is_some() {
                    server.put_status(object)?;
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            let outcomes = workers.into_iter().map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            outcomes.collect()
        })
    }

    fn put(&self, object: &Value) -> Result<()> {
        self.objects.put(object)?;
        Ok(())
    }

    fn delete(&self, object: &Value) -> Result<()> {
        self.objects.remove(object)?;
        Ok(())
    }
}
