//! `?serverInfoXML` and `?serverInfoJSON`: the edges in the format of the Wowza Load Balancer AddOn and its forks.
//!
//! The XML has no declaration, no attributes and no white space between elements. New elements must follow `serverId`
//! and must not be called `name`, `key` or `id`, which Perl's XML::Simple takes as the key of the list. `weight` and
//! `outRate` are those of a fork; readers written for the AddOn ignore them.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use weir_fleet::{Edge, Snapshot, State, Time};

use crate::settings::ServerInfo;

/// Whether `client` may see the server information.
pub(super) fn is_shown_to(server_info: ServerInfo, client: IpAddr) -> bool {
    match server_info {
        ServerInfo::Off => false,
        ServerInfo::Everyone => true,
        ServerInfo::Private => match client {
            IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
            }
        },
    }
}

/// The edges as XML.
pub(super) fn xml(snapshot: &Snapshot, now: Time) -> String {
    let mut xml = String::with_capacity(64 + 320 * snapshot.edges.len());
    xml.push_str("<LoadBalancerServerInfo>");
    for edge in &snapshot.edges {
        push_edge(&mut xml, edge, now);
    }
    xml.push_str("</LoadBalancerServerInfo>");
    xml
}

fn push_edge(xml: &mut String, edge: &Edge, now: Time) {
    // No value can contain a character that XML reserves: they are numbers, fixed words, a GUID, and a host, which was
    // validated when the report was read. Writing to a String cannot fail.
    let server = Server::new(edge, now);
    let _ = write!(
        xml,
        "<LoadBalancerServer><connectCount>{}</connectCount><status>{}</status><redirectCount>{}</redirectCount>\
         <lastMessage>{}</lastMessage><redirect>{}</redirect><serverId>{}</serverId><weight>{}</weight>",
        server.connect_count,
        server.status,
        server.redirect_count,
        server.last_message,
        server.redirect,
        server.server_id,
        server.weight,
    );
    if let Some(rate) = server.out_rate {
        let _ = write!(xml, "<outRate>{rate}</outRate>");
    }
    xml.push_str("</LoadBalancerServer>");
}

/// The edges as JSON: always an array, even for one edge or none.
pub(super) fn json(snapshot: &Snapshot, now: Time) -> String {
    #[derive(Serialize)]
    struct Page<'a> {
        #[serde(rename = "LoadBalancerServerInfo")]
        edges: Vec<Server<'a>>,
    }
    let page = Page { edges: snapshot.edges.iter().map(|edge| Server::new(edge, now)).collect() };
    // Fails only for maps with keys that are not strings, and there are none.
    serde_json::to_string(&page).unwrap_or_default()
}

/// One edge, with the names and the order of the AddOn.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Server<'a> {
    connect_count: u64,
    status: &'static str,
    redirect_count: u64,
    last_message: String,
    redirect: &'a str,
    server_id: String,
    weight: f32,
    /// Outgoing media in Mbit/s, when the edge reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    out_rate: Option<u64>,
}

impl<'a> Server<'a> {
    fn new(edge: &'a Edge, now: Time) -> Self {
        Self {
            connect_count: edge.load.connections().unwrap_or(0),
            status: status(edge.load.state()),
            redirect_count: edge.load.assignments_since_report(),
            last_message: age(now - edge.load.reported_at()),
            redirect: edge.redirect(),
            server_id: edge.id.to_string(),
            weight: edge.weight(),
            out_rate: edge.load.out_bits_per_second().map(|bits| bits.div_ceil(1_000_000)),
        }
    }
}

/// The AddOn's name of a state. It has none for draining; `PAUSED` tells its readers that the edge takes no new
/// clients.
fn status(state: State) -> &'static str {
    match state {
        State::Running => "RUNNING",
        State::Paused | State::Draining => "PAUSED",
        State::Stopping => "STOPPED",
        State::TimedOut => "MSGTIMEOUT",
    }
}

/// A duration in the AddOn's format: `685 milliseconds`, `1 seconds 203 milliseconds`.
fn age(age: Duration) -> String {
    let milliseconds = age.as_millis();
    let parts = [
        (milliseconds / 86_400_000, "days"),
        (milliseconds / 3_600_000 % 24, "hours"),
        (milliseconds / 60_000 % 60, "minutes"),
        (milliseconds / 1000 % 60, "seconds"),
        (milliseconds % 1000, "milliseconds"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let words: Vec<String> = parts[first..].iter().map(|(count, unit)| format!("{count} {unit}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report, snapshot_of};
    use weir_protocol::Host;
    use weir_protocol::report::Status;

    use super::*;

    #[test]
    fn server_info_has_the_exact_bytes_of_the_addon() {
        let mut running = report();
        running.redirect = Host::new("10.0.0.13").ok();
        running.load.connections = Some(13);
        running.load.out_bits_per_second = Some(3_500_000);
        let edge = Edge::new(id(0x11), &running, SOURCE, &ANYWHERE, at(0).into());
        edge.load.assign(at(0));
        let mut paused = report();
        paused.status = Status::Paused;
        let other = Edge::new(id(0x22), &paused, SOURCE, &ANYWHERE, at(518).into());
        let snapshot = snapshot_of([edge, other]);
        assert_eq!(
            xml(&snapshot, at(1203)),
            "<LoadBalancerServerInfo>\
             <LoadBalancerServer><connectCount>13</connectCount><status>RUNNING</status>\
             <redirectCount>1</redirectCount><lastMessage>1 seconds 203 milliseconds</lastMessage>\
             <redirect>10.0.0.13</redirect><serverId>11111111-1111-1111-1111-111111111111</serverId>\
             <weight>1</weight><outRate>4</outRate></LoadBalancerServer>\
             <LoadBalancerServer><connectCount>0</connectCount><status>PAUSED</status>\
             <redirectCount>0</redirectCount><lastMessage>685 milliseconds</lastMessage>\
             <redirect>127.0.0.1</redirect><serverId>22222222-2222-2222-2222-222222222222</serverId>\
             <weight>1</weight></LoadBalancerServer>\
             </LoadBalancerServerInfo>"
        );
        assert_eq!(xml(&Snapshot::default(), at(0)), "<LoadBalancerServerInfo></LoadBalancerServerInfo>");
        assert_eq!(
            json(&snapshot, at(1203)),
            "{\"LoadBalancerServerInfo\":[\
             {\"connectCount\":13,\"status\":\"RUNNING\",\"redirectCount\":1,\
             \"lastMessage\":\"1 seconds 203 milliseconds\",\"redirect\":\"10.0.0.13\",\
             \"serverId\":\"11111111-1111-1111-1111-111111111111\",\"weight\":1.0,\"outRate\":4},\
             {\"connectCount\":0,\"status\":\"PAUSED\",\"redirectCount\":0,\
             \"lastMessage\":\"685 milliseconds\",\"redirect\":\"127.0.0.1\",\
             \"serverId\":\"22222222-2222-2222-2222-222222222222\",\"weight\":1.0}]}"
        );
        assert_eq!(json(&Snapshot::default(), at(0)), "{\"LoadBalancerServerInfo\":[]}");
    }

    #[test]
    fn ages_have_the_format_of_the_addon() {
        for (milliseconds, words) in [
            (0, "0 milliseconds"),
            (685, "685 milliseconds"),
            (1203, "1 seconds 203 milliseconds"),
            (60_001, "1 minutes 0 seconds 1 milliseconds"),
            (90_061_005, "1 days 1 hours 1 minutes 1 seconds 5 milliseconds"),
        ] {
            assert_eq!(age(Duration::from_millis(milliseconds)), words);
        }
    }

    #[test]
    fn by_default_only_private_addresses_see_server_info() {
        for (address, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(is_shown_to(ServerInfo::Private, address), private, "{address}");
            assert!(is_shown_to(ServerInfo::Everyone, address) && !is_shown_to(ServerInfo::Off, address));
        }
    }
}
