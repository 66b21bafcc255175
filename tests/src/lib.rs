//! The harness of Weir's end-to-end tests.
//!
//! The tests themselves are in `tests/e2e/`, one file per promise, in `tests/clients/`, which makes the table of
//! `docs/clients.md`, and in `tests/balance.rs`, which needs the machine to itself; those of kernel mode, which need a kernel
//! to themselves, in `scenarios/`. They start the programs as a user
//! does, put real media servers behind them and real clients before them, and judge by what reached the edge.
//!
//! * [`process`]: a child process that never outlives its test, and what it printed
//! * [`binaries`], [`loopback`], [`wait`]: where programs are, which addresses are free, how to await
//! * [`balancer`], [`agent`], [`connections`]: the programs under test, and the load that an agent sees
//! * [`edges`]: nginx-rtmp, gst-rtsp-server, nginx with HLS; simulated ones
//! * [`clients`]: players and publishers, the rules of Flash players and SRS edges, hls.js in a browser, the readers of
//!   serverInfoXML; a crowd
//! * [`media`]: what is published
//! * [`once`], [`python`], [`npm`]: what takes long to fetch or to make, kept for all test runs
//! * [`balance`], [`open_files`]: how evenly a crowd is spread, and what it takes to have one
//! * [`certificate`]: what TLS needs
//! * [`http`], [`metrics`], [`server_info`], [`json`]: what the programs say of themselves
//! * [`operator`]: pause, unpause and drain, at a balancer and on an edge
//! * [`second`]: the report protocol's second implementation
//! * [`udp_proxy`]: stands between an agent and a balancer, to record and to forge reports
//! * [`hostile`]: clients that mean harm
//! * [`kernel`]: hosts, networks and clients in the guest in which `scenarios/` show kernel mode
//!
//! Rules: loopback only, no fixed port, nothing slept for that can be awaited, no test skipped.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
// What fails here fails a test: a panic with the reason is the answer that is wanted.
#![allow(clippy::expect_used, reason = "this is test code, though not in a #[test]")]

pub mod agent;
pub mod balance;
pub mod balancer;
pub mod binaries;
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
pub mod once;
pub mod open_files;
pub mod operator;
pub mod process;
pub mod python;
pub mod second;
pub mod server_info;
pub mod udp_proxy;
pub mod wait;
