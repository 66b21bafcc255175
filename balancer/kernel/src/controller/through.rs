//! What it takes to check servers through virtual addresses: services that lead to one server each, and the ways there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tracing::warn;
use weir_checks::ProbeOptions;

use crate::candidates::Candidate;
use crate::group::Group;
use crate::model::{Forwarding, MarkRange, Table};
use crate::through::{Lead, Leads, Path, Paths};

/// A server by the place of its service, which says from where it is asked.
type ServerKey = (usize, IpAddr);

/// The servers that are checked through virtual addresses.
#[derive(Debug)]
pub(super) struct Through {
    leads: Leads,
    virtual_addresses: BTreeSet<IpAddr>,
    asked: BTreeMap<ServerKey, Asked>,
    /// Why servers cannot be asked; each is logged once.
    complaints: BTreeSet<String>,
}

/// A server that is asked through virtual addresses.
#[derive(Debug)]
struct Asked {
    lead: Lead,
    /// The way there, as it was last found.
    path: Option<Path>,
}

impl Through {
    pub(super) fn new<'a>(range: MarkRange, groups: impl Iterator<Item = &'a Group> + Clone) -> Self {
        let virtual_addresses =
            groups.clone().flat_map(|group| &group.packets).map(|packets| packets.address).collect();
        let (asked, complaints) = (BTreeMap::new(), BTreeSet::new());
        Self { leads: Leads::new(range, groups), virtual_addresses, asked, complaints }
    }

    /// Finds out how to ask these servers of groups, of which there is `kernel` to lead to them.
    pub(super) fn look<'a>(
        &mut self,
        groups: impl Iterator<Item = (&'a Group, &'a BTreeMap<IpAddr, Candidate>)>,
        kernel: &Table,
    ) {
        let mut asked = BTreeMap::new();
        let mut complaints = BTreeSet::new();
        let mut paths = None;
        for (place, (group, candidates)) in groups.enumerate() {
            let Some(check) = &group.check else { continue };
            for (server, candidate) in candidates {
                let Some(lead) = Lead::to(*server, candidate.method, group) else { continue };
                let paths = paths.get_or_insert_with(|| Paths::open(self.virtual_addresses.clone()));
                let path = match paths {
                    Ok(paths) => paths.to(*server, &check.source).map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                complaints.extend(match &path {
                    Ok(Path { source: Some(_), .. }) => None,
                    Ok(_) => Some(format!("this machine has no address of its own for {server}: give one by `source`")),
                    Err(error) => Some(format!("no way to {server}: {error}")),
                });
                let known = || self.asked.get(&(place, *server)).and_then(|before| before.path.clone());
                let path = path.ok().or_else(known);
                asked.insert((place, *server), Asked { lead, path });
            }
        }
        for complaint in complaints.difference(&self.complaints) {
            warn!("a server cannot be checked through a virtual address: {complaint}");
        }
        (self.asked, self.complaints) = (asked, complaints);
        self.leads.assign(&self.asked.values().map(|asked| asked.lead).collect(), kernel);
    }

    /// The services that lead to one server each.
    pub(super) fn table(&self) -> Table {
        self.leads.table()
    }

    /// The interfaces by which answers come in that have a virtual address of IPv4 for their source: for IPv6 the kernel
    /// does not look at that, and by NAT they have the server's.
    pub(super) fn answering(&self) -> BTreeSet<String> {
        let answering = |asked: &&Asked| asked.lead.server.is_ipv4() && asked.lead.forwarding != Forwarding::Masquerade;
        let paths = self.asked.values().filter(answering).filter_map(|asked| asked.path.as_ref());
        paths.map(|path| path.interface.clone()).collect()
    }

    /// How a server of the group at this place is asked; `None` while it cannot be: the kernel has nothing that leads
    /// there, or this machine no address to ask it from.
    pub(super) fn options(&self, place: usize, server: IpAddr, kernel: &Table) -> Option<ProbeOptions> {
        let Asked { lead, path } = self.asked.get(&(place, server))?;
        let mark = self.leads.mark(lead)?;
        let source = path.as_ref()?.source?;
        let is_led = kernel.get(&lead.key(mark)).is_some_and(|service| *service == lead.service());
        is_led.then(|| lead.options(mark, source))
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::candidates::{Condition, Failure};
    use crate::config::tests::parse_settings;

    /// A server on loopback, which has failed: it is asked all the same, or nobody would see that it is back.
    fn look(method: &str, kernel: &Table) -> Through {
        let text = format!(
            "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\nedges = true\n\
             method = \"{method}\"\ncheck.through_address = true\n"
        );
        let kernel_section = parse_settings(&text);
        let groups = kernel_section.groups;
        let condition = Condition::Failed(Failure::Silent);
        let candidate = Candidate { method: groups[0].method, base: 1, edge: None, condition };
        let candidates = BTreeMap::from([(SERVER.into(), candidate)]);
        let mut through = Through::new(kernel_section.marks, groups.iter());
        through.look(groups.iter().zip([&candidates]), kernel);
        through
    }

    const SERVER: [u8; 4] = [127, 0, 0, 1];

    #[test]
    fn a_server_is_asked_once_the_kernel_leads_to_it_alone() {
        let through = look("direct", &Table::new());
        assert_eq!(through.options(0, SERVER.into(), &Table::new()), None);
        let kernel = through.table();
        let options = through.options(0, SERVER.into(), &kernel).unwrap();
        assert_eq!((options.mark, options.source), (Some(0x5700_ffff), Some(SERVER.into())));
        assert_eq!(options.hops, Some(2), "to the server, and no further");
        assert_eq!(through.options(1, SERVER.into(), &kernel), None, "the other service has none such");
        let mut emptied = kernel;
        emptied.values_mut().for_each(|service| service.destinations.clear());
        assert_eq!(through.options(0, SERVER.into(), &emptied), None);
    }

    #[test]
    fn answers_are_awaited_from_virtual_addresses_unless_they_are_rewritten() {
        assert_eq!(look("direct", &Table::new()).answering(), ["lo".to_owned()].into());
        assert_eq!(look("ipip", &Table::new()).answering(), ["lo".to_owned()].into());
        assert_eq!(look("nat", &Table::new()).answering(), [].into());
    }
}
