//! The message types that this front uses (sections 5.4 and 7.1).

/// Protocol control: the chunk size of the sender from now on.
pub const SET_CHUNK_SIZE: u8 = 1;
/// Protocol control: the incomplete message on a chunk stream will not be completed.
pub const ABORT: u8 = 2;
/// Protocol control: the number of bytes received so far.
pub const ACKNOWLEDGEMENT: u8 = 3;
/// User control: stream begin, buffer length, ping.
pub const USER_CONTROL: u8 = 4;
/// Protocol control: the number of bytes after which the sender expects an acknowledgement.
pub const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
/// Protocol control: the maximum number of bytes that the receiver may send without an acknowledgement.
pub const SET_PEER_BANDWIDTH: u8 = 6;
/// A command from a client that speaks AMF3. Its values are AMF0, preceded by one zero byte.
pub const COMMAND_AMF3: u8 = 17;
/// A command in AMF0.
pub const COMMAND_AMF0: u8 = 20;
