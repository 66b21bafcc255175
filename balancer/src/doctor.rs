//! `weir-balancer doctor`.

use std::path::Path;

use weir_balancer::ipvs::doctor::{Wanted, collect, judge};
use weir_balancer::ipvs::import::Method;
use weir_balancer::ipvs::model::{PortRange, Protocol};
use weir_program::{Failure, Outcome, say};

use crate::kernel_sections::{self, Service, wrong};

/// Prints what keeps the services of a configuration from working here.
pub(crate) fn run(file: &Path) -> Outcome {
    let services = kernel_sections::read(file)?.services;
    let wanted: Vec<Wanted> =
        services.into_iter().map(|service| read(file, service)).collect::<Result<_, Failure>>()?;
    let findings = judge(&wanted, &collect::collect());
    findings.iter().for_each(say);
    if findings.is_empty() {
        say("all is well");
        return Ok(());
    }
    Err(Failure::found(format_args!("{} findings", findings.len())))
}

fn read(file: &Path, service: Service) -> Result<Wanted, Failure> {
    let Service { name, addresses, tcp, udp, mark, scheduler, method, servers } = service;
    let both = [(Protocol::Tcp, tcp), (Protocol::Udp, udp)];
    let texts = both.into_iter().flat_map(|(protocol, texts)| texts.into_iter().map(move |text| (protocol, text)));
    let ports = texts.map(|(protocol, text)| {
        let range = range(&text).ok_or_else(|| wrong(file, format_args!("`{text}` is no port and no range")))?;
        Ok((protocol, range))
    });
    Ok(Wanted {
        ports: ports.collect::<Result<_, Failure>>()?,
        name,
        addresses,
        mark,
        scheduler: scheduler.unwrap_or_else(|| "wlc".to_owned()),
        method: match method.as_deref() {
            Some("nat") => Method::Nat,
            Some("ipip") => Method::Ipip,
            Some("gue") => Method::Gue,
            Some("gre") => Method::Gre,
            _ => Method::Direct,
        },
        servers: servers.into_iter().map(|server| server.address).collect(),
    })
}

fn range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    PortRange::new(first.parse().ok()?, last.parse().ok()?)
}
