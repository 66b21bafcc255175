//! A connection on which a few messages go to and fro until the client is answered, or is to be relayed: RTMP and RTSP.

use std::io;

use weir_fleet::Protocol;

use crate::Front;
use crate::incoming::Incoming;

/// Our side of a conversation, as a function of the bytes that arrive.
pub(super) trait Conversation {
    /// What is spoken.
    const PROTOCOL: Protocol;

    /// Takes in what has arrived, and appends what is to be sent.
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Progress;

    /// The client was too slow: appends what it is to be told, if it can be told anything.
    fn time_out(&mut self, output: &mut Vec<u8>);
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More bytes are needed.
    More,
    /// The client has what it asked for, and says nothing more unasked.
    Answered,
    /// The client has what it asked for, and may say something more within `[limits] linger`.
    Lingering,
    /// The last answer was given, whatever the client may still send.
    Last,
    /// The conversation goes on with an edge.
    HandOver,
}

/// Holds a conversation to its end. `incoming` holds its first bytes.
///
/// Gives the connection back when it is to go on with an edge; everything that the client has sent was given to the
/// conversation then, and everything that it answered was sent.
pub(super) async fn hold<C: Conversation>(
    front: &Front,
    mut incoming: Incoming,
    conversation: &mut C,
) -> Option<Incoming> {
    let limits = front.limits();
    let mut output = Vec::new();
    loop {
        let mut progress = conversation.advance(&incoming.received, &mut output);
        incoming.received.clear();
        if progress == Progress::More && output.is_empty() {
            match incoming.receive().await {
                Ok(true) => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    conversation.time_out(&mut output);
                    progress = Progress::Last;
                }
                Ok(false) | Err(_) => return None,
            }
        }
        if incoming.answer(front, C::PROTOCOL, &output).await.is_err() {
            return None;
        }
        match progress {
            Progress::More => output.clear(),
            Progress::Lingering => {
                incoming.restart(limits.linger);
                output.clear();
            }
            Progress::HandOver => return Some(incoming),
            Progress::Answered => {
                incoming.finish_answered(limits).await;
                return None;
            }
            Progress::Last => {
                incoming.finish(limits).await;
                return None;
            }
        }
        output.clear();
    }
}
