//! Real media servers, and simulated ones where there are too many, each on a loopback address of its own.

mod gst_rtsp;
mod http_origin;
mod nginx;
mod nginx_rtmp;
mod simulated;
mod visit;

pub use self::gst_rtsp::{GstRtsp, RECORDED};
pub use self::http_origin::HttpOrigin;
pub use self::nginx_rtmp::NginxRtmp;
pub use self::simulated::{SimulatedEdge, SimulatedEdges};
pub use self::visit::{Direction, MediaServer, Visit, Visits};
