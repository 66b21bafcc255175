//! One client's session until it is known where it goes: handshake, connect and, when that was accepted, the commands after
//! it, as a function of the bytes that arrive.

use super::chunk::message_type::{ACKNOWLEDGEMENT, SET_PEER_BANDWIDTH, USER_CONTROL, WINDOW_ACKNOWLEDGEMENT_SIZE};
use super::handshake::Handshake;
use super::{Command, Connect, Limits, amf0, chunk, connect, handshake, write_rejection};

/// What the refusal of a connect that could not be read answers to: connect is always the first transaction
/// (RTMP 1.0, section 7.2.1.1).
const FIRST_TRANSACTION: f64 = 1.0;

/// Why a session ended before it was known where the client goes.
///
/// Its text has no word of the client's in it and is fit to be sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The client does not speak RTMP. It cannot be answered.
    #[error(transparent)]
    Handshake(#[from] handshake::Error),

    /// The client's chunks break the protocol or a limit.
    #[error(transparent)]
    Chunk(#[from] chunk::Error),

    /// The client's first command is no connect that can be used.
    #[error(transparent)]
    Connect(#[from] connect::Error),

    /// [`Limits::bytes_before_connect`] have come since the handshake, and no connect.
    #[error("connect not complete: at most {limit} bytes may come before it is")]
    TooManyBytes {
        /// The limit, in bytes.
        limit: usize,
    },

    /// [`Limits::bytes_before_play`] have come since the connect, and no stream was named.
    #[error("no stream named: at most {limit} bytes may come before it is")]
    TooManyBytesBeforePlay {
        /// The limit, in bytes.
        limit: usize,
    },

    /// [`Limits::commands_before_play`] have come since the connect, and no stream was named.
    #[error("no stream named: at most {limit} commands may come before it is")]
    TooManyCommands {
        /// The limit.
        limit: usize,
    },
}

/// What a client has said.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Who it is and what it wants.
    Connect(Connect),
    /// More, once its connect was accepted.
    Command(Command),
}

/// A session, fed with what arrives on its connection.
pub struct Session {
    limits: Limits,
    stage: Stage,
}

enum Stage {
    Handshake(Handshake),
    Messages {
        reader: chunk::Reader,
        /// Bytes that may still come before connect is complete.
        allowance: usize,
    },
    Connected(chunk::Reader),
    Accepted {
        reader: chunk::Reader,
        /// Bytes that may still come before a stream is named.
        allowance: usize,
        /// Commands that may.
        commands: usize,
    },
    Failed(Error),
}

impl Session {
    /// Waits for a client's first byte.
    pub fn new(limits: Limits) -> Self {
        Self { limits, stage: Stage::Handshake(Handshake::new()) }
    }

    /// Takes bytes off the front of `input`, a fragment of any size, up to the end of the next message that says
    /// something, or all of them if none ends there; and appends to `output` what is to be sent.
    ///
    /// What comes after the connect is thrown away, unless [`Self::accept`] was called. Whoever wants to pass on what the
    /// client sent must keep it: the chunk stream begins [`handshake::HANDSHAKE_LENGTH`] bytes after the first byte.
    ///
    /// # Errors
    ///
    /// [`Error`] ends the session: further calls return the same. `output` may have been appended to, and is still
    /// to be sent, before what [`Error::write_refusal`] adds.
    pub fn receive(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Option<Event>, Error> {
        let result = self.advance(input, output);
        if let Err(error) = &result {
            self.stage = Stage::Failed(*error);
        }
        result
    }

    /// Goes on with the commands that follow the connect, which whoever calls this has accepted.
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

    /// Where the chunks stand of what was said last, among the bytes after the handshake; `None` before there was any.
    pub fn chunks(&self) -> Option<&chunk::Reader> {
        match &self.stage {
            Stage::Messages { reader, .. } | Stage::Connected(reader) | Stage::Accepted { reader, .. } => Some(reader),
            Stage::Handshake(_) | Stage::Failed(_) => None,
        }
    }

    /// Bytes of memory that unfinished messages take: never more than [`Limits`] allow.
    pub fn buffered(&self) -> usize {
        self.chunks().map_or(0, chunk::Reader::buffered)
    }

    fn advance(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Option<Event>, Error> {
        if let Stage::Handshake(handshake) = &mut self.stage {
            if !handshake.receive(input, output)? {
                return Ok(None);
            }
            self.stage = Stage::Messages {
                reader: chunk::Reader::new(self.limits),
                allowance: self.limits.bytes_before_connect,
            };
        }
        match &mut self.stage {
            Stage::Messages { reader, allowance } => {
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

/// Looks for something in as much of `input` as `allowance` allows; what is taken is taken off both.
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

/// Reads messages up to the first that is more than housekeeping, which must be a connect.
fn find_connect(reader: &mut chunk::Reader, input: &mut &[u8]) -> Result<Option<Connect>, Error> {
    while let Some(message) = reader.receive(input)? {
        match message.type_id {
            // Nothing that is sent before connect is answered is long enough for any of them to matter.
            ACKNOWLEDGEMENT | USER_CONTROL | WINDOW_ACKNOWLEDGEMENT_SIZE | SET_PEER_BANDWIDTH => {}
            _ => return Ok(Some(Connect::parse(&message)?)),
        }
    }
    Ok(None)
}

/// Reads messages up to the first command.
fn find_command(reader: &mut chunk::Reader, input: &mut &[u8]) -> Result<Option<Command>, Error> {
    while let Some(message) = reader.receive(input)? {
        if let Some(command) = Command::read(&message) {
            return Ok(Some(command));
        }
    }
    Ok(None)
}

impl Error {
    /// A label for metrics: one of a fixed few, lowercase words joined by hyphens, never to be renamed.
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

    /// Appends the rejection that tells the client what was wrong, if it can be told: without a handshake there
    /// is no way to, and nothing is written. Who was accepted already learns of it by the end that it announces.
    pub fn write_refusal(&self, output: &mut Vec<u8>) {
        if !matches!(self, Self::Handshake(_)) {
            write_rejection(output, FIRST_TRANSACTION, &self.to_string(), None);
        }
    }
}

#[cfg(test)]
mod tests;
