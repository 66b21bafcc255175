//! What kernel mode is made of, as the kernel keeps it: virtual services, real servers, marks, and the exchange of
//! connections between two directors.
//!
//! | module          | what it holds                                                        |
//! |-----------------|----------------------------------------------------------------------|
//! | [`name`]        | names, as short as the kernel takes them                             |
//! | [`service`]     | virtual services, and what they are known by                         |
//! | [`destination`] | real servers                                                         |
//! | [`marks`]       | which packets get which mark                                         |
//! | [`daemon`]      | the exchange of connections; time-outs                               |
//! | [`table`]       | all services with their servers                                      |
//!
//! A value of these types is what the kernel says it is after it was told: what the kernel adds, drops or makes up by
//! itself is no part of it. So what is desired and what is there can be compared.

pub mod daemon;
pub mod destination;
pub mod marks;
pub mod name;
pub mod service;
pub mod table;

pub use daemon::{Daemon, Role, Timeouts};
pub use destination::{Checksum, Destination, Encapsulation, Forwarding, Server};
pub use marks::{Installed, Marks, Packets, PortRange, Protocol};
pub use name::Name;
pub use service::{Family, Mark, MarkRange, Owned, Persistence, SchedulerFlags, Service, ServiceKey, hashes_clients};
pub use table::{Table, VirtualService};

#[cfg(test)]
pub(crate) mod tests;
