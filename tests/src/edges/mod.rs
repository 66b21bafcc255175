//! Real media servers, each on a loopback address of its own.

mod gst_rtsp;
mod http_origin;
mod nginx;
mod nginx_rtmp;

pub use self::gst_rtsp::GstRtsp;
pub use self::http_origin::HttpOrigin;
pub use self::nginx_rtmp::NginxRtmp;
