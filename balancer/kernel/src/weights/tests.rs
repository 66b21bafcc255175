use proptest::prelude::*;
use weir_fleet::testing::at;

use super::*;

const RAMP: Duration = Duration::from_secs(30);

fn server(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn inputs<const COUNT: usize>(loads: [Load; COUNT]) -> BTreeMap<IpAddr, WeightInput> {
    (1..).map(server).zip(loads.map(|load| WeightInput { base: 100, load })).collect()
}

/// The weights over time, one step every two seconds.
fn course(weights: &mut Weights, from: u64, steps: u64, loads: [Load; 2]) -> Vec<[u32; 2]> {
    let step = |step: u64| {
        let weighed = weights.step(&inputs(loads), false, at(from + 2000 * step));
        [1, 2].map(|last| weighed[&server(last)].weight)
    };
    (0..steps).map(step).collect()
}

use Load::{Draining, Unknown, Utilised};

#[test]
fn the_first_servers_get_their_base_weight_at_once() {
    let mut weights = Weights::new(RAMP);
    assert_eq!(course(&mut weights, 0, 2, [Unknown, Utilised(0.0)]), [[100, 100]; 2]);
}

#[test]
fn a_weight_follows_headroom_slowly_and_is_halved_at_most_per_step() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Utilised(0.0), Utilised(0.0)]);
    let course = course(&mut weights, 2000, 8, [Utilised(0.9), Utilised(0.0)]);
    let [first, second]: [Vec<u32>; 2] = [0, 1].map(|index| course.iter().map(|pair| pair[index]).collect());
    assert_eq!(first, [70, 50, 37, 28, 22, 18, 15, 15]);
    assert_eq!(second, [100; 8]);
}

#[test]
fn for_round_robin_weights_are_tenths_of_the_highest() {
    let mut weights = Weights::new(RAMP).round_robin(true);
    course(&mut weights, 0, 1, [Utilised(0.0), Utilised(0.0)]);
    let course = course(&mut weights, 2000, 8, [Utilised(0.9), Utilised(1.0)]);
    let [first, second]: [Vec<u32>; 2] = [0, 1].map(|index| course.iter().map(|pair| pair[index]).collect());
    assert_eq!(first, [70, 50, 40, 30, 20, 20, 20, 20]);
    assert_eq!(second, [70, 50, 30, 20, 10, 10, 10, 1]);
}

#[test]
fn configured_weights_are_not_rounded() {
    let mut weights = Weights::new(RAMP).round_robin(true);
    let configured =
        [(1, 100), (2, 33), (3, 1)].map(|(last, base)| (server(last), WeightInput { base, load: Unknown }));
    let weighed = weights.step(&configured.into(), true, at(0));
    assert_eq!(weighed.values().map(|weighed| weighed.weight).collect::<Vec<_>>(), [100, 33, 1]);
}

#[test]
fn a_small_difference_changes_no_weight() {
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
fn after_the_last_report_the_base_weight_returns_in_steps() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Utilised(0.8), Utilised(0.0)]);
    assert_eq!(course(&mut weights, 2000, 4, [Unknown, Unknown]), [[40, 100], [80, 100], [100, 100], [100, 100]]);
}

#[test]
fn a_draining_server_gets_nothing_at_once_and_ramps_up_when_it_returns() {
    let mut weights = Weights::new(RAMP);
    course(&mut weights, 0, 1, [Unknown, Unknown]);
    assert_eq!(weights.step(&inputs([Draining, Unknown]), false, at(1))[&server(1)].weight, 0);
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
fn weights_of_the_kernel_are_adopted() {
    let mut weights = Weights::new(RAMP);
    weights.adopt(server(1), 40);
    assert_eq!(weights.step(&inputs([Utilised(0.6)]), false, at(0))[&server(1)].weight, 40);
    assert_eq!(weights.step(&inputs([Unknown]), false, at(1))[&server(1)].weight, 80);
}

#[test]
fn servers_do_not_ramp_up_while_weir_starts() {
    let mut weights = Weights::new(RAMP);
    weights.step(&inputs([Unknown]), true, at(0));
    assert_eq!(weights.step(&inputs([Unknown, Unknown]), true, at(1))[&server(2)].weight, 100);
}

fn load() -> impl Strategy<Value = Load> {
    prop_oneof![1 => Just(Draining), 2 => Just(Unknown), 6 => (0.0..1.5_f32).prop_map(Utilised)]
}

proptest! {
    #[test]
    fn weights_respect_the_step_limits_and_are_0_only_while_draining(
        moments in proptest::collection::vec(
            (0..5000_u64, proptest::collection::btree_map(1..5_u8, (load(), 1..=Destination::MAX_WEIGHT), 0..5)), 1..60)
    ) {
        let mut weights = Weights::new(RAMP);
        let mut now = 0;
        let mut before: BTreeMap<IpAddr, (u32, u64)> = BTreeMap::new();
        for (later, servers) in moments {
            now += later;
            let servers: BTreeMap<_, _> =
                servers.into_iter().map(|(last, (load, base))| (server(last), WeightInput { base, load })).collect();
            let weighed = weights.step(&servers, false, at(now));
            prop_assert!(weighed.keys().eq(servers.keys()));
            before.retain(|server, _| servers.contains_key(server));
            for (server, ServerWeight { weight, .. }) in weighed {
                prop_assert_eq!(weight == 0, servers[&server].load == Draining);
                prop_assert!(weight <= Destination::MAX_WEIGHT);
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
    fn a_lasting_load_leads_to_its_weight(start in 1..=Destination::MAX_WEIGHT, base in 1..=Destination::MAX_WEIGHT, load in 0.0..1.2_f32) {
        let mut weights = Weights::new(RAMP);
        weights.adopt(server(1), start);
        let servers = BTreeMap::from([(server(1), WeightInput { base, load: Utilised(load) })]);
        let last = (0..60).map(|step| weights.step(&servers, false, at(2000 * step))[&server(1)].weight).last().unwrap();
        let target = (base as f32 * (1.0 - load).max(0.0)).round().max(1.0);
        prop_assert!((last as f32 - target).abs() <= 0.1 * last as f32 + 1.0, "{} instead of {}", last, target);
    }
}
