//! What to start, and how.

/// What to start, and how. [`Options::default`] starts everything.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether kube-controller-manager runs: it makes service accounts and endpoint slices, collects
    /// garbage and empties namespaces that are deleted. Without it, pods need no service account.
    pub controller_manager: bool,
    /// More flags for kube-apiserver. Of flags given twice, the last counts.
    pub api_server: Vec<String>,
    /// More flags for kube-controller-manager.
    pub controllers: Vec<String>,
    /// More flags for etcd.
    pub etcd: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controller_manager: true,
            api_server: Vec::new(),
            controllers: Vec::new(),
            etcd: Vec::new(),
        }
    }
}
