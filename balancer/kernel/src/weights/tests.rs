use proptest::prelude::*;
use weir_fleet::testing::at;

use super::*;

const RAMP: Duration = Duration::from_secs(30);

fn server(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn inputs<const COUNT: usize>(measures: [Measure; COUNT]) -> BTreeMap<IpAddr, Input> {
    (1..).map(server).zip(measures.map(|measure| Input { base: 100, measure })).collect()
}

/// The weights over time, one step each `PAUSE`.
fn course(weights: &mut Weights, from: u64, steps: u64, measures: [Measure; 2]) -> Vec<[u32; 2]> {
    let step = |step: u64| {
        let weighed = weights.step(&inputs(measures), false, at(from + 2000 * step));
        [1, 2].map(|last| weighed[&server(last)].weight)
    };
    (0..steps).map(step).collect()
}

use Measure::{Drained, Unknown, Utilised};

#[test]
fn servers_without_load_have_their_base_weight_at_once_when_they_are_the_first() {
    let mut weights = Weights::new(RAMP);
    assert_eq!(course(&mut weights, 0, 2, [Unknown, Utilised(0.0)]), [[100, 100]; 2]);
}

#[test]
fn a_weight_follows_headroom_slowly_and_at_most_by_half_each_time() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Utilised(0.0), Utilised(0.0)]);
    let course = course(&mut weights, 2000, 8, [Utilised(0.9), Utilised(0.0)]);
    let [first, second]: [Vec<u32>; 2] = [0, 1].map(|index| course.iter().map(|pair| pair[index]).collect());
    assert_eq!(first, [70, 50, 37, 28, 22, 18, 15, 15]);
    assert_eq!(second, [100; 8]);
}

#[test]
fn where_servers_take_turns_weights_are_tenths_of_the_heaviest() {
    let mut weights = Weights::new(RAMP).in_turns(true);
    course(&mut weights, 0, 1, [Utilised(0.0), Utilised(0.0)]);
    let course = course(&mut weights, 2000, 8, [Utilised(0.9), Utilised(1.0)]);
    let [first, second]: [Vec<u32>; 2] = [0, 1].map(|index| course.iter().map(|pair| pair[index]).collect());
    assert_eq!(first, [70, 50, 40, 30, 20, 20, 20, 20]);
    assert_eq!(second, [70, 50, 30, 20, 10, 10, 10, 1]);
}

#[test]
fn weights_that_are_configured_are_not_rounded() {
    let mut weights = Weights::new(RAMP).in_turns(true);
    let configured = [(1, 100), (2, 33), (3, 1)].map(|(last, base)| (server(last), Input { base, measure: Unknown }));
    let weighed = weights.step(&configured.into(), true, at(0));
    assert_eq!(weighed.values().map(|weighed| weighed.weight).collect::<Vec<_>>(), [100, 33, 1]);
}

#[test]
fn little_moves_nothing() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Utilised(0.0), Utilised(0.0)]);
    assert_eq!(course(&mut weights, 2000, 50, [Utilised(0.1), Utilised(0.09)]), [[100, 100]; 50]);
}

#[test]
fn a_full_server_keeps_a_weight_of_one() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Utilised(0.0), Utilised(0.0)]);
    assert_eq!(course(&mut weights, 2000, 50, [Utilised(1.0), Utilised(7.0)])[49], [1, 1]);
}

#[test]
fn when_reports_go_stale_the_base_weight_comes_back_in_steps() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Utilised(0.8), Utilised(0.0)]);
    assert_eq!(course(&mut weights, 2000, 4, [Unknown, Unknown]), [[40, 100], [80, 100], [100, 100], [100, 100]]);
}

#[test]
fn a_drained_server_gets_nothing_at_once_and_ramps_up_when_it_is_back() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Unknown, Unknown]);
    assert_eq!(weights.step(&inputs([Drained, Unknown]), false, at(1))[&server(1)].weight, 0);
    let back = course(&mut weights, 10_000, 17, [Unknown, Unknown]);
    let first: Vec<u32> = back.iter().map(|pair| pair[0]).collect();
    assert_eq!(first, [10, 10, 13, 20, 27, 33, 40, 47, 53, 60, 67, 67, 80, 80, 93, 93, 93]);
}

#[test]
fn a_server_that_joins_others_ramps_up() {
    let mut weights = Weights::new(RAMP);
    weights.step(&inputs([Unknown]), false, at(0));
    let weighed = weights.step(&inputs([Unknown, Unknown]), false, at(1))[&server(2)];
    assert_eq!((weighed.weight, weighed.is_ramping), (10, true));
}

#[test]
fn what_the_kernel_has_is_gone_on_with() {
    let mut weights = Weights::new(RAMP);
    weights.adopt(server(1), 40);
    assert_eq!(weights.step(&inputs([Utilised(0.6)]), false, at(0))[&server(1)].weight, 40);
    assert_eq!(weights.step(&inputs([Unknown]), false, at(1))[&server(1)].weight, 80);
}

#[test]
fn while_weir_starts_none_is_newer_than_others() {
    let mut weights = Weights::new(RAMP);
    weights.step(&inputs([Unknown]), true, at(0));
    assert_eq!(weights.step(&inputs([Unknown, Unknown]), true, at(1))[&server(2)].weight, 100);
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![1 => Just(Drained), 2 => Just(Unknown), 6 => (0.0..1.5_f32).prop_map(Utilised)]
}

proptest! {
    #[test]
    fn weights_move_by_rule_and_are_nothing_for_the_drained_alone(
        moments in proptest::collection::vec(
            (0..5000_u64, proptest::collection::btree_map(1..5_u8, (measure(), 1..=Destination::HEAVIEST), 0..5)), 1..60)
    ) {
        let mut weights = Weights::new(RAMP);
        let mut now = 0;
        let mut before: BTreeMap<IpAddr, (u32, u64)> = BTreeMap::new();
        for (later, servers) in moments {
            now += later;
            let servers: BTreeMap<_, _> =
                servers.into_iter().map(|(last, (measure, base))| (server(last), Input { base, measure })).collect();
            let weighed = weights.step(&servers, false, at(now));
            prop_assert!(weighed.keys().eq(servers.keys()));
            before.retain(|server, _| servers.contains_key(server));
            for (server, Weighed { weight, .. }) in weighed {
                prop_assert_eq!(weight == 0, servers[&server].measure == Drained);
                prop_assert!(weight <= Destination::HEAVIEST);
                let changed_at = match before.get(&server) {
                    Some((old, at)) if *old > 0 && weight > 0 && weight != *old => {
                        prop_assert!(now - at >= 2000, "{} to {} after {} ms", old, weight, now - at);
                        prop_assert!(weight <= 2 * old && 2 * weight >= *old, "{} to {}", old, weight);
                        prop_assert!(weight.abs_diff(*old) * 10 > *old, "{} to {}", old, weight);
                        now
                    }
                    Some((old, at)) if *old == weight => *at,
                    _ => now,
                };
                before.insert(server, (weight, changed_at));
            }
        }
    }

    #[test]
    fn what_lasts_is_reached(start in 1..=Destination::HEAVIEST, base in 1..=Destination::HEAVIEST, load in 0.0..1.2_f32) {
        let mut weights = Weights::new(RAMP);
        weights.adopt(server(1), start);
        let servers = BTreeMap::from([(server(1), Input { base, measure: Utilised(load) })]);
        let last = (0..60).map(|step| weights.step(&servers, false, at(2000 * step))[&server(1)].weight).last().unwrap();
        let target = (base as f32 * (1.0 - load).max(0.0)).round().max(1.0);
        prop_assert!((last as f32 - target).abs() <= 0.1 * last as f32 + 1.0, "{} instead of {}", last, target);
    }
}
