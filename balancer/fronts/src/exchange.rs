//! Protocols that exchange several messages before the client is redirected or relayed: RTMP and RTSP.

use std::io;

use weir_fleet::Protocol;

use crate::downstream::Downstream;
use crate::front::Front;

/// The balancer's side of such an exchange as a function of the bytes that arrive: it does no I/O.
pub(crate) trait Exchange {
    const PROTOCOL: Protocol;

    /// Processes received bytes, and appends the bytes to send to `output`.
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Progress;

    /// Processes a timeout of the client: appends a message about it, if the protocol can express one.
    fn time_out(&mut self, output: &mut Vec<u8>);
}

/// How an exchange goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes are needed.
    More,
    /// The client has its answer, and sends nothing more unless asked.
    Answered,
    /// The client has its answer, and may send another request within `[limits] linger`.
    Lingering,
    /// The last answer is written; further bytes of the client are discarded.
    Last,
    /// The session must be relayed to an edge.
    HandOver,
}

/// Runs an exchange to its end. `downstream` holds the first bytes of the client.
///
/// Returns the connection if the session must be relayed. The exchange has processed every received byte then, and
/// all its output is sent.
pub(crate) async fn run<E: Exchange>(
    front: &Front,
    mut downstream: Downstream,
    exchange: &mut E,
) -> Option<Downstream> {
    let limits = front.limits();
    let mut output = Vec::new();
    loop {
        let mut progress = exchange.advance(&downstream.received, &mut output);
        downstream.received.clear();
        if progress == Progress::More && output.is_empty() {
            match downstream.receive().await {
                Ok(true) => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    exchange.time_out(&mut output);
                    progress = Progress::Last;
                }
                Ok(false) | Err(_) => return None,
            }
        }
        if downstream.answer(front, E::PROTOCOL, &output).await.is_err() {
            return None;
        }
        match progress {
            Progress::More => output.clear(),
            Progress::Lingering => {
                downstream.restart(limits.linger);
                output.clear();
            }
            Progress::HandOver => return Some(downstream),
            Progress::Answered => {
                downstream.finish_answered(limits).await;
                return None;
            }
            Progress::Last => {
                downstream.finish(limits).await;
                return None;
            }
        }
        output.clear();
    }
}
