//! The kernel's view of kernel mode: virtual services, real servers, firewall marks and sync daemons.
//!
//! | module          | contents                                                             |
//! |-----------------|----------------------------------------------------------------------|
//! | [`name`]        | names, limited to the kernel's length                                |
//! | [`service`]     | virtual services and the keys that identify them                     |
//! | [`destination`] | real servers                                                         |
//! | [`table`]       | all services with their servers                                      |
//! | [`marks`]       | the firewall marks of packets                                        |
//! | [`daemon`]      | connection synchronisation, and connection timeouts                  |
//!
//! These types hold what was requested of the kernel, and nothing that it adds, drops or fills in. So a desired value
//! and the actual one can be compared.

pub mod daemon;
pub mod destination;
pub mod marks;
pub mod name;
pub mod service;
pub mod table;

pub use daemon::{Daemon, Role, Timeouts};
pub use destination::{Checksum, Destination, Encapsulation, Forwarding, Server};
pub use marks::{Endpoint, MarkTable, Marks, PortRange, Protocol};
pub use name::Name;
pub use service::{
    Family, Mark, MarkRange, OwnedMarks, Persistence, SchedulerFlags, Service, ServiceKey, hashes_clients,
};
pub use table::{ServiceEntry, Table};

#[cfg(test)]
pub(crate) mod tests;
