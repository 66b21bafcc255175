//! The quorum: a sum of weights in keepalived, a number of servers in Weir.

use super::super::Service;

/// keepalived's quorum, in sums of the weights of servers that are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuorumWeights {
    /// The last line that sets it; 0 if none does.
    pub(super) line: usize,
    /// Sum that is the quorum.
    pub(super) quorum: u32,
    /// The quorum is lost below the quorum less this sum, and reached again at the quorum plus this sum.
    pub(super) hysteresis: u32,
}

impl Default for QuorumWeights {
    fn default() -> Self {
        Self { line: 0, quorum: 1, hysteresis: 0 }
    }
}

/// Sets the numbers of servers that are equivalent to these sums. Where it depends on which servers are up, one must
/// be.
pub(super) fn set_quorum(service: &mut Service, sums: QuorumWeights) {
    let mut weights: Vec<u64> = service.servers.iter().map(|server| server.weight.into()).collect();
    // A server with weight 0 does not count.
    weights.retain(|weight| *weight > 0);
    weights.sort_unstable();
    let total: u64 = weights.iter().sum();
    // keepalived also reduces sums that cannot be reached.
    let quorum = u64::from(sums.quorum).min(total).max(1);
    let hysteresis = u64::from(sums.hysteresis).min(quorum - 1);
    let lost = servers(&weights, quorum - hysteresis);
    let reached = servers(&weights, (quorum + hysteresis).min(total));
    match (lost, reached) {
        (Some(lost), Some(reached)) => (service.quorum, service.hysteresis) = (lost, reached.saturating_sub(lost)),
        _ if weights.is_empty() => {}
        _ => {
            let reason = "keepalived's quorum is a sum of weights, Weir's a number of servers; with these weights there is no \
                       equivalent, so set `quorum`";
            let text = format!("quorum {} hysteresis {}", sums.quorum, sums.hysteresis);
            service.note(sums.line, text, reason);
        }
    }
}

/// The number of servers that reach this sum, whichever they are; `None` if it depends on that. `weights` are
/// ascending.
fn servers(weights: &[u64], sum: u64) -> Option<u32> {
    let (lightest, heaviest) = (first(weights.iter(), sum), first(weights.iter().rev(), sum));
    lightest.filter(|_| lightest == heaviest)
}

/// The number of weights, from the first, that reach a sum.
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

    fn quorum_of(weights: &[u32], quorum: u32, hysteresis: u32) -> (u32, u32, usize) {
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
        set_quorum(&mut service, QuorumWeights { line: 1, quorum, hysteresis });
        (service.quorum, service.hysteresis, service.notes.len())
    }

    #[test]
    fn sums_of_weights_become_numbers_of_servers() {
        for (weights, quorum, hysteresis, expected) in [
            (&[100, 100][..], 100, 0, (1, 0, 0)),
            (&[100, 100], 101, 0, (2, 0, 0)),
            (&[1, 1], 2, 0, (2, 0, 0)),
            // Lost below 2, reached at 4.
            (&[1, 1, 1, 1, 1], 3, 1, (2, 2, 0)),
            // Kept while one of two is up, reached again when both are.
            (&[1, 1], 2, 1, (1, 1, 0)),
            // Sums that cannot be reached are reduced.
            (&[10, 10], 1000, 1000, (1, 1, 0)),
            // Any server is enough.
            (&[50, 100, 200], 50, 0, (1, 0, 0)),
            (&[50, 100, 200], 1, 0, (1, 0, 0)),
            // The two lighter ones are not enough.
            (&[50, 100, 200], 200, 0, (1, 0, 1)),
            (&[0, 100, 100], 200, 0, (2, 0, 0)),
            (&[], 5, 0, (1, 0, 0)),
            (&[u32::MAX, u32::MAX], u32::MAX, u32::MAX, (1, 1, 0)),
        ] {
            assert_eq!(quorum_of(weights, quorum, hysteresis), expected, "{weights:?} {quorum} {hysteresis}");
        }
    }
}
