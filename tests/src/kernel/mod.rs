//! Harness for the scenarios of kernel mode. They run in the guest that `cargo xtask kernel` boots: a machine whose
//! network namespaces are clients, directors and real servers.
//!
//! * [`scenario`]: runs scenarios one by one, and prints their results
//! * [`host`], [`network`]: machines and switches
//! * [`role`]: turns a host into a director or a real server
//! * [`site`]: the site that most scenarios use
//! * [`application`]: the application of real servers, which sends its host's name
//! * [`connection`], [`flow`], [`arrivals`]: TCP connections, a UDP flow, and a sequence of TCP clients
//! * [`tally`]: counts by server
//! * [`ipvs`]: the IPVS table as the kernel prints it
//! * [`history`]: the weights in this table over time
//! * [`keepalived`], [`weir`]: programs, started as users start them
//! * [`pair`]: two directors, one of which has the virtual addresses

pub mod application;
pub mod arrivals;
pub mod connection;
pub mod flow;
pub mod history;
pub mod host;
pub mod ipvs;
pub mod keepalived;
pub mod network;
pub mod pair;
pub mod role;
pub mod scenario;
pub mod site;
pub mod tally;
pub mod weir;
