//! A control plane, a proxy before it, and namespaces: the simplest objects that come and go.

use std::path::PathBuf;
use std::time::Duration;

use enforcer_cluster::{ControlPlane, FaultProxy, Options};

pub(crate) struct World {
    // The proxy goes first.
    pub(crate) proxy: FaultProxy,
    pub(crate) plane: ControlPlane,
    kubeconfig: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_flags(&[])
    }

    /// With more flags for the API server.
    pub(crate) fn with_flags(flags: &[&str]) -> Self {
        let options = Options {
            controller_manager: false,
            api_server: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            ..Options::default()
        };
        let plane = ControlPlane::start(&options).unwrap();
        let proxy = FaultProxy::start(&plane).unwrap();
        plane
            .kubectl(&["create", "serviceaccount", "watcher"])
            .unwrap();
        let words = ["create", "clusterrolebinding", "watcher"];
        let role = [
            "--clusterrole=cluster-admin",
            "--serviceaccount=default:watcher",
        ];
        plane.kubectl(&[words.as_slice(), &role].concat()).unwrap();
        let hour = Duration::from_secs(3600);
        let account = plane
            .service_account_kubeconfig("default", "watcher", hour, &proxy.url())
            .unwrap();
        let kubeconfig = account.kubeconfig().to_owned();
        Self {
            proxy,
            plane,
            kubeconfig,
        }
    }

    /// Leads through the proxy.
    pub(crate) fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    pub(crate) fn create(&self, namespace: &str) {
        self.plane
            .kubectl(&["create", "namespace", namespace])
            .unwrap();
    }

    /// Nobody empties namespaces here, so finalisation is asked for.
    pub(crate) fn delete(&self, namespace: &str) {
        let words = ["delete", "namespace", namespace, "--wait=false"];
        self.plane.kubectl(&words).unwrap();
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}},"spec":{{"finalizers":[]}}}}"#
        );
        let path = format!("/api/v1/namespaces/{namespace}/finalize");
        let words = ["replace", "--raw", &path, "-f", "-"];
        let admin = self.plane.kubeconfig();
        self.plane.kubectl_with(admin, &words, &text).unwrap();
    }

    /// How many requests there were that match.
    pub(crate) fn count(&self, matches: impl Fn(&enforcer_cluster::Request) -> bool) -> usize {
        let requests = self.proxy.requests();
        requests.iter().filter(|request| matches(request)).count()
    }
}
