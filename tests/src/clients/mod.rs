//! Clients that nobody here wrote, one that does what Flash players did, and a crowd of the simplest kind.

pub mod amf0;
pub mod crowd;
mod curl;
mod ffmpeg;
pub mod flash;
mod gstreamer;
pub mod rtmp;
mod rtmpdump;
mod xml_readers;

pub use self::curl::{Fetched, ask, fetch};
pub use self::ffmpeg::{play_frames, play_seconds, publish};
pub use self::gstreamer::play_rtsp;
pub use self::rtmpdump::rtmpdump;
pub use self::xml_readers::{XML_READERS, XmlReader};
