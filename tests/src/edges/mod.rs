//! Edges: real media servers, and simulated ones for large fleets, each on its own loopback address.

mod gst_rtsp;
mod http_origin;
mod nginx;
mod nginx_rtmp;
mod simulated;
mod visit;

pub use self::gst_rtsp::{GstRtsp, PUBLISH_PATH};
pub use self::http_origin::HttpOrigin;
pub use self::nginx_rtmp::NginxRtmp;
pub use self::simulated::{SimulatedEdge, SimulatedEdges};
pub use self::visit::{Direction, MediaServer, Visit, Visits};
