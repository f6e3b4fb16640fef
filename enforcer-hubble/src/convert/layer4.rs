//! What is above IP.

use enforcer_common::parse::number;
use enforcer_flows::{Icmp, Protocol, Record, TcpFlags};

use crate::proto::flow;
use crate::proto::flow::layer4::Protocol as Layer;

/// Ports, or type and code; `None` for other protocols.
pub(crate) fn layer4(record: &Record) -> Option<flow::Layer4> {
    let source_port = record.source.port.unwrap_or_default().into();
    let destination_port = record.destination.port.unwrap_or_default().into();
    let (r#type, code) = icmp(record.icmp);
    let protocol = match record.protocol {
        Protocol::TCP => Layer::Tcp(flow::Tcp {
            source_port,
            destination_port,
            flags: record.flags.map(flags),
        }),
        Protocol::UDP => Layer::Udp(flow::Udp {
            source_port,
            destination_port,
        }),
        Protocol::SCTP => Layer::Sctp(flow::Sctp {
            source_port,
            destination_port,
        }),
        Protocol::Ip(number::ICMP) => Layer::IcmPv4(flow::IcmPv4 { r#type, code }),
        Protocol::Ip(number::ICMPV6) => Layer::IcmPv6(flow::IcmPv6 { r#type, code }),
        _ => return None,
    };
    Some(flow::Layer4 {
        protocol: Some(protocol),
    })
}

fn icmp(icmp: Option<Icmp>) -> (u32, u32) {
    icmp.map_or((0, 0), |icmp| (icmp.kind.into(), icmp.code.into()))
}

fn flags(TcpFlags(byte): TcpFlags) -> flow::TcpFlags {
    let has = |bit: u8| byte & bit != 0;
    flow::TcpFlags {
        fin: has(0x01),
        syn: has(0x02),
        rst: has(0x04),
        psh: has(0x08),
        ack: has(0x10),
        urg: has(0x20),
        ece: has(0x40),
        cwr: has(0x80),
        ns: false,
    }
}
