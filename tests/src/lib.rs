//! The harness of Weir's end-to-end tests.
//!
//! | folder             | tests                                                              |
//! |--------------------|--------------------------------------------------------------------|
//! | `tests/e2e/`       | behaviour promised to users, one file per promise                  |
//! | `tests/clients/`   | all supported clients; generates the table in `docs/clients.md`    |
//! | `tests/balance.rs` | balance under load; a measurement that needs the machine to itself |
//! | `scenarios/`       | kernel mode, in a virtual machine of its own                       |
//!
//! The tests start the programs as a user would, with real media servers as edges and real clients, and assert on what
//! reached the edge.
//!
//! * [`process`]: child processes that never outlive their test, and their output
//! * [`binaries`], [`loopback`], [`wait`]: paths of programs, free addresses and ports, waiting for conditions
//! * [`balancer`], [`agent`], [`connections`]: the programs under test, and load for an agent's probe
//! * [`edges`]: nginx-rtmp, gst-rtsp-server, nginx with HLS, and simulated edges
//! * [`clients`]: players and publishers, the redirect rules of Flash players and SRS edges, hls.js in a browser,
//!   readers of serverInfoXML, and a crowd of HTTP clients
//! * [`media`]: the test stream
//! * [`cache`], [`python`], [`npm`]: downloads and generated files that are kept between test runs
//! * [`balance`], [`open_files`]: imbalance of a fleet under a crowd, and the open file limit for one
//! * [`certificate`]: certificates for TLS
//! * [`http`], [`metrics`], [`server_info`], [`json`]: reading the balancer's pages and metrics
//! * [`operator`]: operator commands, on a balancer and on an edge
//! * [`second_implementation`]: the second implementation of the report protocol
//! * [`udp_proxy`]: records and injects reports between an agent and a balancer
//! * [`hostile`]: malicious clients
//! * [`kernel`]: hosts, networks and clients in the virtual machine that runs `scenarios/`
//!
//! Rules: loopback only, no fixed ports, no sleeping where a condition can be awaited, no skipped tests.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
// A failure here must fail the test, so a panic with the reason is the right response.
#![allow(clippy::expect_used, reason = "this is test code, though not in a #[test]")]

pub mod agent;
pub mod balance;
pub mod balancer;
pub mod binaries;
pub mod cache;
pub mod certificate;
pub mod clients;
pub mod connections;
pub mod edges;
pub mod hostile;
pub mod http;
pub mod json;
pub mod kernel;
pub mod loopback;
pub mod media;
pub mod metrics;
pub mod npm;
pub mod open_files;
pub mod operator;
pub mod process;
pub mod python;
pub mod second_implementation;
pub mod server_info;
pub mod udp_proxy;
pub mod wait;
