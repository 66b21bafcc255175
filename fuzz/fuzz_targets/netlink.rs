//! Messages of the kernel, valid or not, are parsed without a panic; and whatever can be read can be written and read
//! back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_kernel::model::{MarkTable, ServiceKey};
use weir_kernel::netlink::ipvs::{daemon, destination, service, settings};
use weir_kernel::netlink::{generic, nftables, route};
use weir_program::netlink::{Message, Messages, Reply, Request, addresses};

/// Number of the IPVS family in the corpus.
const IPVS: u16 = 31;

fuzz_target!(|datagram: &[u8]| {
    let mut reader = nftables::reader::TableReader::default();
    for message in Messages(datagram) {
        let Ok(message) = message else { break };
        let Ok(Reply::Data(message)) = Reply::of(message) else { continue };
        let _ = generic::read_family(message);
        let _ = settings::read_version(message, IPVS);
        let _ = (route::read_route(message), addresses::read(message));
        let _ = reader.push(message);
        let _ = (nftables::foreign::drop_policy_chain(message), nftables::foreign::mark_setting_chain(message));
        write_and_read_back(message);
    }
    if let MarkTable::Intact(marks) = reader.finish() {
        let mut reader = nftables::reader::TableReader::default();
        for request in nftables::batch::replace(&marks) {
            written(&request, |message| reader.push(message).expect("written requests can be read"));
        }
        assert_eq!(reader.finish(), MarkTable::Intact(marks));
    }
});

fn write_and_read_back(message: Message<'_>) {
    if let Ok(Some(read)) = service::read(message, IPVS) {
        written(&service::add(IPVS, &read.key, &read.service), |message| {
            let again = service::read(message, IPVS).expect("written requests can be read").expect("it is a service");
            assert_eq!((again.key, again.service), (read.key, read.service.clone()));
        });
    }
    for family in nftables::FAMILIES {
        if let Ok(Some(read)) = destination::read(message, IPVS, family) {
            let key = ServiceKey::Addressed { protocol: 6, address: [0; 4].into(), port: 0 };
            written(&destination::add(IPVS, &key, &read.server, &read.destination), |message| {
                let again = destination::read(message, IPVS, family).expect("written requests can be read");
                let again = again.expect("it is a server");
                assert_eq!((again.server, again.destination), (read.server, read.destination));
            });
        }
    }
    if let Ok(Some(read)) = daemon::read(message, IPVS) {
        written(&daemon::start(IPVS, &read), |message| assert_eq!(daemon::read(message, IPVS), Ok(Some(read.clone()))));
    }
    if let Ok(Some(read)) = settings::read_timeouts(message, IPVS) {
        written(&settings::set_timeouts(IPVS, &read), |message| {
            assert_eq!(settings::read_timeouts(message, IPVS), Ok(Some(read)));
        });
    }
}

fn written(request: &Request, mut check: impl FnMut(Message<'_>)) {
    let bytes = request.encode(1).expect("values that were read fit in a message");
    for message in Messages(&bytes) {
        check(message.expect("a written request is a message"));
    }
}
