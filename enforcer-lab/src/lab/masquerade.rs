//! Masquerading of what pods send to the world outside.

use super::Node;
use super::shape::{PODS, of_family};
use crate::LabError;

/// Multicast, which is not masqueraded.
const MULTICAST: [&str; 2] = ["224.0.0.0/4", "ff00::/8"];

impl Node {
    /// Gives what leaves the cluster the node's address, and what comes in from elsewhere to
    /// another node's pods too, as Flannel's `--ip-masq` does. Needs `nft`.
    pub fn masquerade(&self) -> Result<(), LabError> {
        for address in self.addresses() {
            let family = of_family(["ip", "ip6"], address);
            let (all, multicast) = (of_family(PODS, address), of_family(MULTICAST, address));
            let [v4, v6] = self.plan.pods();
            let own = if address.is_ipv4() { v4 } else { v6 };
            let from = |pods: &str| format!("{family} saddr {pods}");
            let to = |pods: &str| format!("{family} daddr {pods}");
            let chain = format!("{family} flannel postrtg");
            self.command("nft", &format!("add table {family} flannel"))?;
            self.command(
                "nft",
                &format!("add chain {chain} {{ type nat hook postrouting priority srcnat ; }}"),
            )?;
            for rule in [
                format!("{} {} return", from(all), to(all)),
                format!(
                    "{} {} masquerade",
                    from(all),
                    to(&format!("!= {multicast}"))
                ),
                format!("{} {} return", from(&format!("!= {all}")), to(&own)),
                format!("{} {} masquerade", from(&format!("!= {all}")), to(all)),
            ] {
                self.command("nft", &format!("add rule {chain} {rule}"))?;
            }
        }
        Ok(())
    }
}
