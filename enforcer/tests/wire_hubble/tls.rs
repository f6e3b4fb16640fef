//! Certificates.

use std::path::Path;

use enforcer_hubble::tls::Files;

use crate::authority::{Authority, SERVER};
use crate::cli::{Cli, text};
use crate::shop::Shop;

const LISTEN: &str = "127.0.0.1:4244";

/// What a daemon is told of certificates.
pub(crate) fn options(files: &Files) -> String {
    let clients = files.clients.iter();
    let clients = clients.map(|path| format!("--hubble-tls-client-ca {}", path.display()));
    format!(
        "--hubble-tls-cert {} --hubble-tls-key {} {}",
        files.certificate.display(),
        files.key.display(),
        clients.collect::<String>()
    )
}

fn server(files: &Files) -> String {
    format!("--hubble-listen {LISTEN} {}", options(files))
}

/// A CLI that trusts certificates of this authority, with one of its own if somebody signs that.
fn cli(folder: &Path, trusted: &Authority, signer: Option<&Authority>) -> Cli {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut arguments = vec![
        format!("--server=tls://{LISTEN}"),
        format!(
            "--tls-ca-cert-files={}",
            write("server-ca.crt", &trusted.root)
        ),
        format!("--tls-server-name={SERVER}"),
    ];
    if let Some(signer) = signer {
        let (certificate, key) = signer.sign("cli");
        arguments.push(format!(
            "--tls-client-cert-file={}",
            write("client.crt", &certificate)
        ));
        arguments.push(format!(
            "--tls-client-key-file={}",
            write("client.key", &key)
        ));
    }
    Cli::new(folder, &arguments)
}

#[test]
fn with_mutual_tls_each_side_trusts_only_whom_it_is_told_to() {
    let (nodes, clients, folder) = (
        Authority::new(),
        Authority::new(),
        tempfile::tempdir().unwrap(),
    );
    let folder = folder.path();
    let shop = Shop::open(&server(&nodes.write(Some(&clients), folder)));
    let ask = |cli: &Cli| cli.output_in(&shop.node.lab.node, &["status"]);
    let shown = text(&["status"], &ask(&cli(folder, &nodes, Some(&clients))));
    assert!(shown.contains("Ok"), "{shown}");
    for stranger in [
        cli(folder, &nodes, None),
        cli(folder, &nodes, Some(&nodes)),
        cli(folder, &clients, Some(&clients)),
        Cli::new(folder, &[format!("--server={LISTEN}")]),
    ] {
        let output = ask(&stranger);
        assert!(!output.status.success(), "{output:?}");
    }
}

#[test]
fn certificates_that_are_exchanged_need_no_new_daemon() {
    let (old, new, folder) = (
        Authority::new(),
        Authority::new(),
        tempfile::tempdir().unwrap(),
    );
    let folder = folder.path();
    let shop = Shop::open(&server(&old.write(None, folder)));
    let ask = |trusted: &Authority| {
        let cli = cli(folder, trusted, None);
        cli.output_in(&shop.node.lab.node, &["status"])
            .status
            .success()
    };
    assert!(ask(&old) && !ask(&new));
    new.write(None, folder);
    assert!(ask(&new) && !ask(&old));
    assert!(shop.node.daemon().log().contains("new certificates"));
}

#[test]
fn policies_hold_without_certificates_and_the_log_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().write(None, folder.path());
    std::fs::remove_file(&files.key).unwrap();
    let shop = Shop::open(&server(&files));
    shop.traffic();
    let log = shop.node.daemon().log();
    assert!(
        log.contains("tls.key") && log.contains("no client is let in"),
        "{log}"
    );
}
