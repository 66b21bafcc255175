//! The bytes of a relayed RTSP client reach its edge completely and in order, except requests that the balancer
//! answers. The fragments do not matter, and memory is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtsp::{Limits, SetupFilter};
use weir_fuzz::script::fragments;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// Limits that short inputs reach.
const NARROW: Limits = Limits { line: 60, head: 120, headers: 3, body: 20, ..Limits::DEFAULT };

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, fragments)) = fragments(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    // The last bytes come from the edge. The flags hold their number.
    let (client, edge) = stream.split_at(stream.len() - stream.len().min(usize::from(flags >> 1)));
    let whole = run(limits, std::iter::once(client), edge);
    let mut left = client.len();
    let fragmented = fragments.map_while(|fragment| {
        let taken = fragment.len().min(left);
        left -= taken;
        (taken > 0).then_some(&fragment[..taken])
    });
    assert_eq!(whole, run(limits, fragmented, edge));
});

/// Returns the bytes for the edge and for the client.
fn run<'a>(limits: Limits, fragments: impl Iterator<Item = &'a [u8]>, edge: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut filter = SetupFilter::new(limits);
    let (mut sent, mut left) = (Vec::new(), Vec::new());
    let (mut to_edge, mut to_client) = (Vec::new(), Vec::new());
    for fragment in fragments {
        sent.extend_from_slice(fragment);
        left.extend_from_slice(fragment);
        receive_from_client(&mut filter, &mut left, &mut to_edge, &mut to_client);
        assert!(filter.buffered() <= 2 * limits.head);
    }
    if !sent.windows(5).any(|word| word == b"SETUP") {
        assert!(to_client.is_empty(), "a rejection without a SETUP");
        assert!(sent.starts_with(&to_edge), "bytes for the edge are changed");
        assert_eq!(to_edge.len() + left.len() + filter.buffered(), sent.len(), "bytes for the edge are lost");
    }
    filter.receive_from_edge(&mut &edge[..], &mut to_client);
    receive_from_client(&mut filter, &mut left, &mut to_edge, &mut to_client);
    if filter.is_done() {
        assert!(left.is_empty() && filter.buffered() == 0, "bytes are buffered after the filter is done");
    }
    (to_edge, to_client)
}

fn receive_from_client(filter: &mut SetupFilter, left: &mut Vec<u8>, to_edge: &mut Vec<u8>, to_client: &mut Vec<u8>) {
    let mut input = &left[..];
    filter.receive_from_client(&mut input, DATE, to_edge, to_client);
    *left = input.to_vec();
    assert!(left.is_empty() || filter.awaits_edge(), "input is left");
}
