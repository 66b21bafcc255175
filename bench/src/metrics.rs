//! Metrics of a balancer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Returns the value of a metric, read from the administration of a balancer. NaN when it has no such metric.
pub(crate) fn metric(admin: SocketAddr, name: &str) -> f64 {
    let page = (|| {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        std::io::Result::Ok(page)
    })();
    let page = page.unwrap_or_default();
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or(f64::NAN)
}
