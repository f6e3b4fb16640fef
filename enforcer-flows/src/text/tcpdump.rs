//! One line as tcpdump prints packets, for those who think in them.

use std::fmt;

use super::{Style, word};
use crate::record::{Party, Protocol, Record};

pub(super) fn print(f: &mut fmt::Formatter<'_>, record: &Record, style: Style) -> fmt::Result {
    let time = record.time.strftime("%H:%M:%S.%6f");
    let family = match (record.protocol, record.source.address) {
        (Protocol::Ethernet(_), _) | (_, None) => record.protocol.to_string(),
        (_, Some(address)) if address.is_ipv4() => "IP".to_owned(),
        _ => "IP6".to_owned(),
    };
    let (source, destination) = (End(&record.source), End(&record.destination));
    write!(f, "{time} {family} {source} > {destination}: ")?;
    match (record.flags, record.icmp) {
        (Some(flags), _) => write!(f, "Flags [{flags}]")?,
        (_, Some(icmp)) => {
            write!(
                f,
                "{} type {} code {}",
                record.protocol, icmp.kind, icmp.code
            )?;
        }
        _ => write!(f, "{}", record.protocol)?,
    }
    write!(f, ", length {} ", record.length)?;
    let (word, colour) = word(record);
    colour.paint(f, style.colour, word)?;
    write!(f, " {}", record.reason.name())?;
    if record.count > 1 {
        write!(f, " x{}", record.count)?;
    }
    Ok(())
}

/// Address and port with a dot between them.
struct End<'a>(&'a Party);

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.address {
            Some(address) => write!(f, "{address}")?,
            None => f.write_str("?")?,
        }
        self.0.port.map_or(Ok(()), |port| write!(f, ".{port}"))
    }
}
