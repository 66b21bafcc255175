//! Real clients, emulations of clients that cannot be run here, and a crowd of simple clients.

pub mod amf0;
mod browser;
pub mod crowd;
mod curl;
mod emulated;
mod ffmpeg;
pub mod flash;
mod gstreamer;
pub mod media3;
mod netstream;
mod players;
pub mod rtmp;
mod rtmpdump;
pub mod rtsp;
pub mod srs;
mod task;
mod xml_readers;

pub use self::browser::{Browser, HLS_JS};
pub use self::curl::{Fetched, ask, fetch};
pub use self::emulated::{CURL, FLASH, MEDIA3, MEDIA3_OVER_TCP, SRS_EDGE};
pub use self::ffmpeg::{FFMPEG_5, FFMPEG_9, play_frames, play_seconds, publish};
pub use self::gstreamer::{HLSDEMUX, RTMP2SINK, RTMP2SRC, RTMPSINK, RTMPSRC, RTSPCLIENTSINK, RTSPSRC, play_rtsp};
pub use self::players::{MPLAYER, MPV, RTMPDUMP, VLC};
pub use self::rtmpdump::rtmpdump;
pub use self::task::{Client, Protocol, Task};
pub use self::xml_readers::{XML_READERS, XmlReader};
