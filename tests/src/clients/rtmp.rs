//! A plain RTMP client connection: handshake, chunks, commands (Adobe's RTMP 1.0, sections 5.2 to 5.4 and 7.2).

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::amf0::Value;
use crate::wait::PATIENCE;

/// The size of C1, S1, C2 and S2.
const HANDSHAKE: usize = 1536;
/// Default payload size of a chunk in bytes.
const CHUNK: usize = 128;
/// Maximum length of a message; no server's answer to `connect` is longer.
const LONGEST_MESSAGE: usize = 1 << 20;
const SET_CHUNK_SIZE: u8 = 1;
const VIDEO: u8 = 9;
const COMMAND_AMF0: u8 = 20;

/// A connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Payload size of the server's chunks in bytes.
    chunk: usize,
    /// Header fields of each chunk stream that later headers omit.
    chunk_streams: HashMap<u8, ChunkStream>,
}

#[derive(Debug, Default)]
struct ChunkStream {
    length: usize,
    kind: u8,
    extended_timestamp: bool,
    body: Vec<u8>,
}

/// A command: name, transaction id, arguments.
pub type Command = (String, f64, Vec<Value>);

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A command, or the answer to one.
    Command(Command),
    /// A video message.
    Video,
}

impl Connection {
    /// Connects and does the simple handshake.
    ///
    /// # Errors
    /// When the connection fails or times out.
    pub fn open(server: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut hello = vec![0x5a; 1 + HANDSHAKE];
        hello[0] = 3;
        // Time, then four zeros, which distinguish the simple handshake from the digest one.
        hello[1..9].fill(0);
        stream.write_all(&hello)?;
        let mut answer = vec![0; 1 + 2 * HANDSHAKE];
        stream.read_exact(&mut answer)?;
        stream.write_all(&answer[1..=HANDSHAKE])?;
        Ok(Self { stream, chunk: CHUNK, chunk_streams: HashMap::new() })
    }

    /// The socket, for tests that violate the protocol.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends a command on message stream 0.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, name: &str, transaction: f64, arguments: &[Value]) -> io::Result<()> {
        self.send_on(0, name, transaction, arguments)
    }

    /// Sends a command on a message stream with a number below 256.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send_on(&mut self, stream: u8, name: &str, transaction: f64, arguments: &[Value]) -> io::Result<()> {
        let mut body = Vec::new();
        Value::String(name.to_owned()).write(&mut body);
        Value::Number(transaction).write(&mut body);
        arguments.iter().for_each(|argument| argument.write(&mut body));
        self.stream.write_all(&chunks(stream, &body))
    }

    /// The answer to the command with this transaction id: `_result` or `_error`, its id, its arguments.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn answer(&mut self, transaction: f64) -> io::Result<Command> {
        loop {
            let command = self.receive()?;
            // Servers may send commands such as onBWDone first.
            if matches!(command.0.as_str(), "_result" | "_error") && command.1 == transaction {
                return Ok(command);
            }
        }
    }

    /// The next command from the server; other messages are applied or ignored.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server has closed, as it should after a rejection; others when it fails.
    pub fn receive(&mut self) -> io::Result<Command> {
        loop {
            if let Incoming::Command(command) = self.receive_any()? {
                return Ok(command);
            }
        }
    }

    /// The next command or video message from the server; other messages are applied or ignored.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn receive_any(&mut self) -> io::Result<Incoming> {
        loop {
            let (kind, body) = self.message()?;
            match kind {
                SET_CHUNK_SIZE => self.chunk = set_chunk_size(&body).ok_or_else(|| invalid("a chunk size"))?,
                VIDEO => return Ok(Incoming::Video),
                COMMAND_AMF0 => return parse_command(&body).map(Incoming::Command).ok_or_else(|| invalid("a command")),
                _ => {}
            }
        }
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            let [basic] = self.bytes()?;
            let chunk_stream = basic & 0x3f;
            if chunk_stream < 2 {
                return Err(invalid("a chunk stream id below 64"));
            }
            let mut state = self.chunk_streams.remove(&chunk_stream).unwrap_or_default();
            match basic >> 6 {
                format @ 0..=2 => self.header(format, &mut state)?,
                _ if state.extended_timestamp => drop(self.bytes::<4>()?),
                _ => {}
            }
            let piece = self.chunk.min(state.length - state.body.len());
            let start = state.body.len();
            state.body.resize(start + piece, 0);
            self.stream.read_exact(&mut state.body[start..])?;
            let complete = state.body.len() == state.length;
            let message = complete.then(|| (state.kind, std::mem::take(&mut state.body)));
            self.chunk_streams.insert(chunk_stream, state);
            if let Some(message) = message {
                return Ok(message);
            }
        }
    }

    /// Reads a header of format 0, 1 or 2; of the timestamp, only the length matters.
    fn header(&mut self, format: u8, state: &mut ChunkStream) -> io::Result<()> {
        let timestamp: [u8; 3] = self.bytes()?;
        state.extended_timestamp = timestamp == [0xff; 3];
        if format < 2 {
            let [high, middle, low, kind] = self.bytes()?;
            state.length = u32::from_be_bytes([0, high, middle, low]) as usize;
            state.kind = kind;
        }
        if format == 0 {
            let _stream_id: [u8; 4] = self.bytes()?;
        }
        if state.extended_timestamp {
            let _timestamp: [u8; 4] = self.bytes()?;
        }
        if state.length > LONGEST_MESSAGE || state.body.len() > state.length {
            return Err(invalid("a message of that length"));
        }
        Ok(())
    }

    fn bytes<const LENGTH: usize>(&mut self) -> io::Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// A command message as chunks of 128 bytes on chunk stream 3.
#[must_use]
pub fn command_chunks(body: &[u8]) -> Vec<u8> {
    chunks(0, body)
}

fn chunks(stream: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("less than 16 MiB").to_be_bytes();
    // The number of the message stream is the only little-endian field of the header.
    let mut bytes = vec![3, 0, 0, 0, length[1], length[2], length[3], COMMAND_AMF0, stream, 0, 0, 0];
    for (index, piece) in body.chunks(CHUNK).enumerate() {
        if index > 0 {
            bytes.push(0xc3);
        }
        bytes.extend(piece);
    }
    bytes
}

fn set_chunk_size(body: &[u8]) -> Option<usize> {
    let size = u32::from_be_bytes(body.try_into().ok()?);
    (size > 0).then_some(size as usize)
}

fn parse_command(body: &[u8]) -> Option<Command> {
    let mut values = Value::read_all(body)?.into_iter();
    match (values.next()?, values.next()?) {
        (Value::String(name), Value::Number(transaction)) => Some((name, transaction, values.collect())),
        _ => None,
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected {what}"))
}
