//! A Kubernetes control plane of real servers, for tests: never part of the product.
//!
//! Every control plane has its own folder, ports, certificates and data, so any number can run at
//! a time. The programs come from the folder that `KUBEBUILDER_ASSETS` names (`cargo xtask envtest`
//! builds them and sets it). Nothing outlives the process that started it, however that ends.
//!
//! - [`ControlPlane`]: etcd, kube-apiserver and kube-controller-manager, each of which can be
//!   stopped, killed and started again on the same data;
//! - [`Options`]: what to start, and with which flags;
//! - [`Account`]: a service account's kubeconfig, whose token can be exchanged;
//! - [`Objects`]: writes objects quickly, for code that is not async;
//! - [`Kubelet`]: makes Pods of the cluster network namespaces of a lab;
//! - [`Scheduler`]: binds pods to the node that they name;
//! - [`FaultProxy`]: stands before the API server and does what networks and servers do to clients.

#![forbid(unsafe_code)]

mod account;
mod assets;
mod certificates;
mod control_plane;
mod error;
mod janitor;
mod keeper;
mod kubeconfig;
mod kubectl;
mod kubelet;
mod objects;
mod ports;
mod proxy;
mod scheduler;
mod server;
mod tls;
mod token;

pub use account::Account;
pub use assets::program;
pub use control_plane::{ControlPlane, Options, Part};
pub use error::ClusterError;
pub use kubelet::{ADDRESSES, BY_HAND, Hook, Kubelet, Programs, RunningPod};
pub use objects::Objects;
pub use proxy::{Ending, Fault, FaultProxy, Link, Request};
pub use scheduler::Scheduler;
