//! What an RTSP client says on its way to an edge arrives there whole and in order, but for what is answered on the way, in
//! whatever pieces it comes, and little of it is held.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtsp::{Gate, Limits};
use weir_fuzz::script::pieces;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// So narrow that short inputs reach them.
const NARROW: Limits = Limits { line: 60, head: 120, headers: 3, body: 20, ..Limits::DEFAULT };

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, pieces)) = pieces(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    // What the edge says follows, as long as the number says.
    let (client, edge) = stream.split_at(stream.len() - stream.len().min(usize::from(flags >> 1)));
    let whole = run(limits, std::iter::once(client), edge);
    let mut left = client.len();
    let pieced = pieces.map_while(|piece| {
        let taken = piece.len().min(left);
        left -= taken;
        (taken > 0).then_some(&piece[..taken])
    });
    assert_eq!(whole, run(limits, pieced, edge));
});

/// What comes out on both sides.
fn run<'a>(limits: Limits, pieces: impl Iterator<Item = &'a [u8]>, edge: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut gate = Gate::new(limits);
    let (mut said, mut left) = (Vec::new(), Vec::new());
    let (mut to_edge, mut to_client) = (Vec::new(), Vec::new());
    for piece in pieces {
        said.extend_from_slice(piece);
        left.extend_from_slice(piece);
        talk(&mut gate, &mut left, &mut to_edge, &mut to_client);
        assert!(gate.buffered() <= 2 * limits.head);
    }
    if !said.windows(5).any(|word| word == b"SETUP") {
        assert!(to_client.is_empty(), "there is nothing to be refused");
        assert!(said.starts_with(&to_edge), "what arrives is what was said");
        assert_eq!(to_edge.len() + left.len() + gate.buffered(), said.len(), "and all of it");
    }
    gate.edge_says(&mut &edge[..], &mut to_client);
    talk(&mut gate, &mut left, &mut to_edge, &mut to_client);
    if gate.is_open() {
        assert!(left.is_empty() && gate.buffered() == 0, "nothing is held once it is open");
    }
    (to_edge, to_client)
}

fn talk(gate: &mut Gate, left: &mut Vec<u8>, to_edge: &mut Vec<u8>, to_client: &mut Vec<u8>) {
    let mut input = &left[..];
    gate.client_says(&mut input, DATE, to_edge, to_client);
    *left = input.to_vec();
    assert!(left.is_empty() || gate.is_waiting(), "all is read but while the edge is awaited");
}
