//! What `enforcer run` has for Hubble's clients.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use enforcer_hubble::node::DEFAULT_CLUSTER;
use enforcer_hubble::tls::Files;

use crate::hubble::Options;

/// Hubble's services.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hubble's services")]
#[expect(
    clippy::struct_field_names,
    reason = "options of one verb have one space of names"
)]
pub(super) struct HubbleArgs {
    /// Where the hubble CLI and hubble-relay connect, such as 127.0.0.1:4245 or 0.0.0.0:4244.
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen)]
    hubble_listen: Option<SocketAddr>,
    /// A socket for the hubble CLI on this node: `hubble --server unix://PATH`.
    #[arg(long, value_name = "PATH")]
    hubble_socket: Option<PathBuf>,
    /// The certificate at --hubble-listen, in PEM. This and the other files are read again when they change.
    #[arg(long, value_name = "FILE", requires_all = ["hubble_tls_key", "hubble_listen"])]
    hubble_tls_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "hubble_tls_cert")]
    hubble_tls_key: Option<PathBuf>,
    /// Roots of which clients must have a certificate (mutual TLS).
    #[arg(long, value_name = "FILE", requires = "hubble_tls_cert")]
    hubble_tls_client_ca: Option<PathBuf>,
    /// The name of the cluster, where several are looked at together.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CLUSTER, value_parser = NonEmptyStringValueParser::new())]
    hubble_cluster: String,
}

impl HubbleArgs {
    pub(super) fn options(self) -> Options {
        let files = self.hubble_tls_cert.zip(self.hubble_tls_key);
        Options {
            listen: self.hubble_listen,
            socket: self.hubble_socket,
            tls: files.map(|(certificate, key)| Files {
                certificate,
                key,
                clients: self.hubble_tls_client_ca,
            }),
            cluster: self.hubble_cluster,
        }
    }
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    let address = text.parse::<SocketAddr>().ok();
    // Other nodes' daemons listen at the same port, so it must be known.
    address
        .filter(|address| address.port() > 0)
        .ok_or("write an IP address and a port, such as 127.0.0.1:4245, 0.0.0.0:4244 or [::]:4244")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        hubble: HubbleArgs,
    }

    fn read(line: &str) -> Result<Options, clap::Error> {
        let words = std::iter::once("run").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.hubble.options())
    }

    #[test]
    fn nothing_is_served_unless_somebody_says_so() {
        let options = read("").unwrap();
        assert_eq!(
            (options.listen, options.socket, options.tls),
            (None, None, None)
        );
        assert_eq!(options.cluster, "default");
    }

    #[test]
    fn a_certificate_has_a_key_and_an_address() {
        let whole = "--hubble-listen [::]:4244 --hubble-tls-cert c --hubble-tls-key k";
        assert!(read(whole).unwrap().tls.is_some());
        for wrong in [
            "--hubble-listen [::]:4244 --hubble-tls-cert c",
            "--hubble-listen [::]:4244 --hubble-tls-key k",
            "--hubble-listen [::]:4244 --hubble-tls-client-ca k",
            "--hubble-tls-cert c --hubble-tls-key k",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_has_a_port_that_all_nodes_can_know() {
        for wrong in ["4244", "localhost:4244", "0.0.0.0:0", ""] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }
}
