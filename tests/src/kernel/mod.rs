//! The harness of kernel mode's scenarios. They run in the guest that `cargo xtask kernel` boots: one machine whose network
//! namespaces are clients, directors and real servers.
//!
//! * [`scenario`]: runs them one by one, and says how each went
//! * [`host`], [`network`]: machines, and what links them
//! * [`role`]: what makes a host a director or a real server
//! * [`site`]: the usual site, built at once
//! * [`application`]: what runs on a real server: it tells clients who it is
//! * [`visitor`], [`flow`], [`arrivals`]: clients over TCP, over UDP, and one after the other
//! * [`tally`]: who served how many
//! * [`ipvs`]: the kernel's own view of what Weir told it
//! * [`history`]: … and how that changed over time
//! * [`keepalived`], [`weir`]: programs, as users start them
//! * [`pair`]: two directors, of which one has the virtual addresses

pub mod application;
pub mod arrivals;
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
pub mod visitor;
pub mod weir;
