//! The flags of the servers.

use std::path::Path;

use crate::certificates::Certificates;
use crate::ports::Port;

use super::Options;

/// Who issues the tokens of service accounts.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

pub(super) fn etcd(data: &Path, client: &Port, peer: &Port, options: &Options) -> Vec<String> {
    let client = format!("http://{}", client.address());
    let peer = format!("http://{}", peer.address());
    let mut flags = vec![
        "--name=test".into(),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=test={peer}"),
        // What a crash of the machine would lose, no test looks at; a killed etcd loses nothing.
        "--unsafe-no-fsync".into(),
    ];
    flags.extend(options.etcd.iter().cloned());
    flags
}

pub(super) fn api_server(
    etcd: &Port,
    port: &Port,
    certificates: &Certificates,
    tokens: &Path,
    options: &Options,
) -> Vec<String> {
    let Certificates {
        authority,
        server,
        server_key,
        token_key,
        token_public_key,
        ..
    } = certificates;
    let mut flags = vec![
        format!("--etcd-servers=http://{}", etcd.address()),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={}", port.number),
        format!("--tls-cert-file={}", server.display()),
        format!("--tls-private-key-file={}", server_key.display()),
        format!("--token-auth-file={}", tokens.display()),
        // Of the tiny kubelets.
        format!("--kubelet-certificate-authority={}", authority.display()),
        "--authorization-mode=RBAC".into(),
        format!("--service-account-issuer={ISSUER}"),
        format!("--service-account-key-file={}", token_public_key.display()),
        format!("--service-account-signing-key-file={}", token_key.display()),
        "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112".into(),
        // Its own address is a loopback address, which no EndpointSlice may have.
        "--endpoint-reconciler-type=none".into(),
        "--allow-privileged=true".into(),
    ];
    // New nodes would have a taint that only the node lifecycle controller takes away.
    let mut disabled = "--disable-admission-plugins=TaintNodesByCondition".to_owned();
    if !options.controller_manager {
        disabled.push_str(",ServiceAccount");
    }
    flags.push(disabled);
    flags.extend(options.api_server.iter().cloned());
    flags
}

pub(super) fn controllers(
    kubeconfig: &Path,
    certificates: &Certificates,
    options: &Options,
) -> Vec<String> {
    let key = certificates.token_key.display();
    let mut flags = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--service-account-private-key-file={key}"),
        format!("--root-ca-file={}", certificates.authority.display()),
        // Each controller with the rights that are its own, as everywhere.
        "--use-service-account-credentials=true".into(),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
        // The nodes of tests send no heartbeats; their pods are to stay all the same.
        "--controllers=*,-node-lifecycle-controller".into(),
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=1000".into(),
    ];
    flags.extend(options.controllers.iter().cloned());
    flags
}
