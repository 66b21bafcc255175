//! End-to-end tests, one file per promised behaviour. The harness is the library of this package.

#![allow(clippy::expect_used, reason = "test helpers are test code, too")]

mod bad_input;
mod bad_start;
mod commands;
mod content_steering;
mod demo;
mod documents;
mod duplicate_guid;
mod early_reports;
mod first_start;
mod get_load_balancer_redirect;
mod harness;
mod hls_redirect;
mod hostile_reports;
mod http_players;
mod http_redirect;
mod keepalived_pair;
mod kernel_checks;
mod kernel_marks;
mod kernel_unavailable;
mod keys;
mod loops;
mod proxied;
mod redirect_limits;
mod rtmp_late_redirect;
mod rtmp_publish_moves_choice;
mod rtmp_rejection;
mod rtmp_relay;
mod rtsp_loops;
mod rtsp_players;
mod rtsp_publishers;
mod rtsp_setup;
mod rtsp_tunnel;
mod rtsps;
mod second_implementation;
mod selection;
mod server_info;
mod tls;
