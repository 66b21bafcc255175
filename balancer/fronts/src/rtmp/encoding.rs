//! How commands are encoded (RTMP 1.0, section 7.1.1).

use super::chunk::Message;
use super::chunk::message_type::{COMMAND_AMF0, COMMAND_AMF3};

/// The encoding that a client requests for commands after connect: `objectEncoding` (section 7.2.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectEncoding {
    /// 0, or absent.
    #[default]
    Amf0,
    /// 3.
    Amf3,
}

/// The encoding of a command message, which is its message type. The values themselves are AMF0 in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommandEncoding {
    /// Type 20: the values only.
    #[default]
    Amf0,
    /// Type 17, for clients that speak AMF3: one zero byte precedes the values.
    Amf3,
}

impl CommandEncoding {
    /// Returns the encoding of a command message and its values; `None` if it is not a command message.
    pub fn split(message: &Message) -> Option<(Self, &[u8])> {
        match message.type_id {
            COMMAND_AMF0 => Some((Self::Amf0, &message.payload)),
            // A format selector, always 0 for AMF0. Some players omit it.
            COMMAND_AMF3 => Some((Self::Amf3, message.payload.strip_prefix(&[0]).unwrap_or(&message.payload))),
            _ => None,
        }
    }

    /// The message type.
    pub fn type_id(self) -> u8 {
        match self {
            Self::Amf0 => COMMAND_AMF0,
            Self::Amf3 => COMMAND_AMF3,
        }
    }

    /// The bytes before the values.
    pub fn prefix(self) -> &'static [u8] {
        match self {
            Self::Amf0 => &[],
            Self::Amf3 => &[0],
        }
    }
}
