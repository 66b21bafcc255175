//! A client's session until it is forwarded: handshake, connect and, once that is accepted, commands. A function of the
//! bytes that arrive.

use super::chunk::message_type::{ACKNOWLEDGEMENT, SET_PEER_BANDWIDTH, USER_CONTROL, WINDOW_ACKNOWLEDGEMENT_SIZE};
use super::command::Command;
use super::connect::{self, Connect};
use super::handshake::{self, Handshake};
use super::limits::Limits;
use super::rejection::write_rejection;
use super::{amf0, chunk};

/// The transaction ID in the rejection of an invalid connect. A connect always has this one (section 7.2.1.1).
const FIRST_TRANSACTION: f64 = 1.0;

/// Why a session ended before the client was forwarded.
///
/// The text contains nothing that the client has sent, and is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The client does not speak RTMP. It cannot be answered.
    #[error(transparent)]
    Handshake(#[from] handshake::Error),

    /// The client's chunks violate the protocol or a limit.
    #[error(transparent)]
    Chunk(#[from] chunk::Error),

    /// The client's first command is not a valid connect.
    #[error(transparent)]
    Connect(#[from] connect::Error),

    /// The client has sent [`Limits::bytes_before_connect`] since the handshake, and no connect.
    #[error("connect not complete: at most {limit} bytes may come before it is")]
    TooManyBytes {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The client has sent [`Limits::bytes_before_play`] since its connect, and has not named a stream.
    #[error("no stream named: at most {limit} bytes may come before it is")]
    TooManyBytesBeforePlay {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The client has sent [`Limits::commands_before_play`] since its connect, and has not named a stream.
    #[error("no stream named: at most {limit} commands may come before it is")]
    TooManyCommands {
        /// The limit.
        limit: usize,
    },
}

/// A command from the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first command.
    Connect(Connect),
    /// A further command, after the connect was accepted.
    Command(Command),
}

/// A session, fed with the bytes that arrive on its connection.
pub struct Session {
    limits: Limits,
    stage: Stage,
}

enum Stage {
    Handshake(Handshake),
    AwaitingConnect {
        reader: chunk::Reader,
        /// The number of bytes that the client may send before its connect is complete.
        allowance: usize,
    },
    Connected(chunk::Reader),
    Accepted {
        reader: chunk::Reader,
        /// The number of bytes that the client may send before it names a stream.
        allowance: usize,
        /// The number of commands that the client may send before it names a stream.
        commands: usize,
    },
    Failed(Error),
}

impl Session {
    /// Creates a session that waits for the client's first byte.
    pub fn new(limits: Limits) -> Self {
        Self { limits, stage: Stage::Handshake(Handshake::new()) }
    }

    /// Takes bytes off the front of `input`, a fragment of any size, up to the end of the next command, or all of them
    /// if none ends there. Appends the bytes to send to `output`.
    ///
    /// After the connect, input is discarded until [`Self::accept`] is called. A caller that forwards the client's
    /// bytes must keep them itself: the first chunk starts [`handshake::HANDSHAKE_LENGTH`] bytes after the first byte.
    ///
    /// # Errors
    ///
    /// [`Error`] ends the session: further calls return the same error. The caller must still send `output`, followed
    /// by the rejection that [`Error::write_rejection`] appends.
    pub fn receive(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Option<Event>, Error> {
        let result = self.advance(input, output);
        if let Err(error) = &result {
            self.stage = Stage::Failed(*error);
        }
        result
    }

    /// Continues with the commands that follow the connect, after the caller has accepted it.
    pub fn accept(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Handshake(Handshake::new()));
        self.stage = match stage {
            Stage::Connected(reader) => Stage::Accepted {
                reader,
                allowance: self.limits.bytes_before_play,
                commands: self.limits.commands_before_play,
            },
            other => other,
        };
    }

    /// The reader of the chunks after the handshake, which locates the last message among the client's bytes. `None`
    /// before the handshake is complete, and after an error.
    pub fn chunks(&self) -> Option<&chunk::Reader> {
        match &self.stage {
            Stage::AwaitingConnect { reader, .. } | Stage::Connected(reader) | Stage::Accepted { reader, .. } => {
                Some(reader)
            }
            Stage::Handshake(_) | Stage::Failed(_) => None,
        }
    }

    /// The number of bytes allocated for incomplete messages, within [`Limits`].
    pub fn buffered(&self) -> usize {
        self.chunks().map_or(0, chunk::Reader::buffered)
    }

    fn advance(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Option<Event>, Error> {
        if let Stage::Handshake(handshake) = &mut self.stage {
            if !handshake.receive(input, output)? {
                return Ok(None);
            }
            self.stage = Stage::AwaitingConnect {
                reader: chunk::Reader::new(self.limits),
                allowance: self.limits.bytes_before_connect,
            };
        }
        match &mut self.stage {
            Stage::AwaitingConnect { reader, allowance } => {
                let limit = self.limits.bytes_before_connect;
                let connect = bounded(input, allowance, reader, find_connect, Error::TooManyBytes { limit })?;
                let Some(connect) = connect else { return Ok(None) };
                let reader = std::mem::replace(reader, chunk::Reader::new(self.limits));
                self.stage = Stage::Connected(reader);
                Ok(Some(Event::Connect(connect)))
            }
            Stage::Accepted { reader, allowance, commands } => {
                let limit = self.limits.bytes_before_play;
                let command = bounded(input, allowance, reader, find_command, Error::TooManyBytesBeforePlay { limit })?;
                let Some(command) = command else { return Ok(None) };
                let limit = self.limits.commands_before_play;
                *commands = commands.checked_sub(1).ok_or(Error::TooManyCommands { limit })?;
                Ok(Some(Event::Command(command)))
            }
            Stage::Failed(error) => Err(*error),
            Stage::Handshake(_) | Stage::Connected(_) => {
                *input = &[];
                Ok(None)
            }
        }
    }
}

/// Calls `find` with at most `allowance` bytes of `input`, and takes the bytes that it reads off both. Returns
/// `exceeded` if it needs more bytes than that.
fn bounded<T>(
    input: &mut &[u8],
    allowance: &mut usize,
    reader: &mut chunk::Reader,
    find: impl FnOnce(&mut chunk::Reader, &mut &[u8]) -> Result<Option<T>, Error>,
    exceeded: Error,
) -> Result<Option<T>, Error> {
    let (mut allowed, beyond) = input.split_at(input.len().min(*allowance));
    let before = allowed.len();
    let found = find(reader, &mut allowed)?;
    let taken = before - allowed.len();
    *allowance -= taken;
    *input = &input[taken..];
    if found.is_none() && !beyond.is_empty() { Err(exceeded) } else { Ok(found) }
}

/// Reads messages up to the first that is not protocol control, which must be a connect.
fn find_connect(reader: &mut chunk::Reader, input: &mut &[u8]) -> Result<Option<Connect>, Error> {
    while let Some(message) = reader.receive(input)? {
        match message.type_id {
            // Too few bytes are sent before a connect is answered for any of these to matter.
            ACKNOWLEDGEMENT | USER_CONTROL | WINDOW_ACKNOWLEDGEMENT_SIZE | SET_PEER_BANDWIDTH => {}
            _ => return Ok(Some(Connect::parse(&message)?)),
        }
    }
    Ok(None)
}

/// Reads messages up to the first command.
fn find_command(reader: &mut chunk::Reader, input: &mut &[u8]) -> Result<Option<Command>, Error> {
    while let Some(message) = reader.receive(input)? {
        if let Some(command) = Command::parse(&message) {
            return Ok(Some(command));
        }
    }
    Ok(None)
}

impl Error {
    /// The `reason` label in metrics. Part of the interface: keep the names.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Handshake(handshake::Error) => "bad-handshake",
            Self::Chunk(error) => match error {
                chunk::Error::MessageTooLong { .. } => "message-too-long",
                chunk::Error::TooManyChunkStreams { .. } => "too-many-chunk-streams",
                chunk::Error::ChunkSizeOutOfRange => "bad-chunk-size",
                chunk::Error::NothingToContinue | chunk::Error::UnfinishedMessage | chunk::Error::ControlLength => {
                    "bad-chunk"
                }
            },
            Self::Connect(error) => match error {
                connect::Error::NotACommand { .. } | connect::Error::NotConnect => "not-connect",
                connect::Error::NoTransaction
                | connect::Error::Missing { .. }
                | connect::Error::TextTooLong { .. }
                | connect::Error::NotText { .. } => "bad-connect",
                connect::Error::Amf0(amf0::Error::NestingTooDeep { .. }) => "nesting-too-deep",
                connect::Error::Amf0(_) => "bad-amf0",
            },
            Self::TooManyBytes { .. } | Self::TooManyBytesBeforePlay { .. } => "too-many-bytes",
            Self::TooManyCommands { .. } => "too-many-commands",
        }
    }

    /// Appends the rejection, which tells the client the error. Appends nothing if the handshake failed: such a client
    /// cannot be answered.
    ///
    /// A client whose connect was accepted ignores the `_error`, and learns of the end from the `close` after it.
    pub fn write_rejection(&self, output: &mut Vec<u8>) {
        if !matches!(self, Self::Handshake(_)) {
            write_rejection(output, FIRST_TRANSACTION, &self.to_string(), None);
        }
    }
}

#[cfg(test)]
mod tests;
