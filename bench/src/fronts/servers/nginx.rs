//! nginx: `return 200`, and the stream module.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::{Server, fixed_body, of_length};
use crate::fronts::exchange::Exchange;
use crate::machine::Cores;
use crate::program::{Program, empty_folder, installed, with_free_port};

const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// The name in tables.
pub(in crate::fronts) const NAME: &str = "nginx";

/// Starts an nginx whose HTTP responses have `length` bytes.
///
/// # Errors
/// When it is not installed, or does not start.
pub(in crate::fronts) fn answering(cores: &Cores, exchange: Exchange, length: usize) -> io::Result<Server> {
    of_length(exchange, length, |padding| {
        start(cores, "", |address| {
            format!(
                "http {{
                    access_log off;
                    server_tokens off;
                    default_type text/html;
                    keepalive_requests 1000000000;
                    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                    server {{
                        listen {address} backlog=4096;
                        location / {{
                            add_header Weir-Reason {padding};
                            return 200 \"{}\";
                        }}
                    }}
                }}",
                fixed_body()
            )
        })
    })
}

/// Starts an nginx that relays to `edge`.
///
/// # Errors
/// As [`answering`].
pub(in crate::fronts) fn relaying(cores: &Cores, edge: SocketAddr) -> io::Result<Server> {
    if !fs::exists(STREAM_MODULE)? {
        return Err(io::Error::other(format!(
            "{STREAM_MODULE} is not installed: `cargo xtask bench fronts` installs it, or on Debian or Ubuntu run \
             `apt-get install --no-install-recommends libnginx-mod-stream`"
        )));
    }
    start(cores, &format!("load_module {STREAM_MODULE};"), |address| {
        // As many bytes per call as HAProxy's and Weir's pipes hold. With its default of 16 KiB, nginx is slower.
        format!(
            "stream {{
                server {{
                    listen {address} backlog=4096;
                    tcp_nodelay on;
                    proxy_buffer_size 64k;
                    proxy_pass {edge};
                }}
            }}"
        )
    })
}

fn start(cores: &Cores, modules: &str, block: impl Fn(SocketAddr) -> String) -> io::Result<Server> {
    let folder = empty_folder("fronts/nginx")?;
    let program = installed("nginx", "nginx-light")?;
    let (program, address) = with_free_port(|address| {
        let configuration = format!(
            "daemon off;
            # One process, whose processor time is measured.
            master_process off;
            pid nginx.pid;
            error_log stderr error;
            {modules}
            events {{ worker_connections 8192; }}
            {}",
            block(address)
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration)?;
        let arguments =
            ["-e".as_ref(), "stderr".as_ref(), "-p".as_ref(), folder.as_os_str(), "-c".as_ref(), file.as_ref()];
        Program::start(Some(cores), &folder, &program, arguments)
    })?;
    Ok(Server { name: NAME, address, program })
}
