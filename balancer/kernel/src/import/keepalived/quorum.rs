//! How many servers must be up: there as a sum of weights, in Weir as a number of servers.

use super::super::Service;

/// What keepalived wants of the weights of those servers that are up, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    /// The line that says so last; 0 when none does.
    pub(super) line: usize,
    /// The sum that is enough.
    pub(super) quorum: u32,
    /// How much less is enough once it was reached, and how much more it takes to reach it again.
    pub(super) hysteresis: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { line: 0, quorum: 1, hysteresis: 0 }
    }
}

/// Finds the numbers of servers that stand for these sums. Where it depends on which servers are up, one must be.
pub(super) fn settle(service: &mut Service, asked: Weights) {
    let mut weights: Vec<u64> = service.servers.iter().map(|server| server.weight.into()).collect();
    // At weight 0 a server counts for nothing.
    weights.retain(|weight| *weight > 0);
    weights.sort_unstable();
    let total: u64 = weights.iter().sum();
    // keepalived makes them less as well when they cannot be had.
    let quorum = u64::from(asked.quorum).min(total).max(1);
    let hysteresis = u64::from(asked.hysteresis).min(quorum - 1);
    let lost = servers(&weights, quorum - hysteresis);
    let reached = servers(&weights, (quorum + hysteresis).min(total));
    match (lost, reached) {
        (Some(lost), Some(reached)) => (service.quorum, service.hysteresis) = (lost, reached.saturating_sub(lost)),
        _ if weights.is_empty() => {}
        _ => {
            let why = "a sum of weights there, and a number of servers in Weir, which these weights do not have in \
                       common: say how many servers must be up";
            let what = format!("quorum {} hysteresis {}", asked.quorum, asked.hysteresis);
            service.note(asked.line, what, why);
        }
    }
}

/// How many servers have this weight together, whichever they are. `weights` go from light to heavy.
fn servers(weights: &[u64], sum: u64) -> Option<u32> {
    let (lightest, heaviest) = (first(weights.iter(), sum), first(weights.iter().rev(), sum));
    lightest.filter(|_| lightest == heaviest)
}

/// How many of these weights, from the first on, reach a sum.
fn first<'a>(mut weights: impl Iterator<Item = &'a u64>, sum: u64) -> Option<u32> {
    let mut reached = 0;
    let last = weights.position(|weight| {
        reached += *weight;
        reached >= sum
    });
    u32::try_from(last? + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::Server;
    use super::*;
    use crate::settings::Method;

    fn settled(weights: &[u32], quorum: u32, hysteresis: u32) -> (u32, u32, usize) {
        let mut service = Service::new("media".to_owned(), 1);
        service.servers = (1..)
            .zip(weights)
            .map(|(host, weight)| Server {
                line: 1,
                address: [10, 0, 0, host].into(),
                weight: *weight,
                method: Method::Nat,
            })
            .collect();
        settle(&mut service, Weights { line: 1, quorum, hysteresis });
        (service.quorum, service.hysteresis, service.notes.len())
    }

    #[test]
    fn sums_of_weights_become_numbers_of_servers() {
        for (weights, quorum, hysteresis, expected) in [
            (&[100, 100][..], 100, 0, (1, 0, 0)),
            (&[100, 100], 101, 0, (2, 0, 0)),
            (&[1, 1], 2, 0, (2, 0, 0)),
            // Too few at 2, enough at 4.
            (&[1, 1, 1, 1, 1], 3, 1, (2, 2, 0)),
            // It stays when one of two is up, and comes back when both are.
            (&[1, 1], 2, 1, (1, 1, 0)),
            // What cannot be had is made less.
            (&[10, 10], 1000, 1000, (1, 1, 0)),
            // Any server is heavy enough.
            (&[50, 100, 200], 50, 0, (1, 0, 0)),
            (&[50, 100, 200], 1, 0, (1, 0, 0)),
            // Two of the lighter are not.
            (&[50, 100, 200], 200, 0, (1, 0, 1)),
            (&[0, 100, 100], 200, 0, (2, 0, 0)),
            (&[], 5, 0, (1, 0, 0)),
            (&[u32::MAX, u32::MAX], u32::MAX, u32::MAX, (1, 1, 0)),
        ] {
            assert_eq!(settled(weights, quorum, hysteresis), expected, "{weights:?} {quorum} {hysteresis}");
        }
    }
}
