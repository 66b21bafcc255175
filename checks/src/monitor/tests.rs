use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn check() -> Check {
    Check { interval: 5 * SECOND, fast_interval: SECOND, rise: 2, fall: 3, ..Check::default() }
}

fn failed() -> Result<(), Failure> {
    Err(Failure::Refused)
}

/// The change after each outcome: `+` for a success, `-` for a failure, `.` for a local failure.
fn changes(outcomes: &str) -> Vec<Option<Verdict>> {
    let mut monitor = Monitor::new(&check(), 1);
    let mut record = |outcome| {
        let now = monitor.next_due();
        monitor.record(
            now,
            match outcome {
                '+' => Ok(()),
                '-' => failed(),
                _ => Err(Failure::Local("no file descriptor".to_owned())),
            },
        )
    };
    outcomes.chars().map(&mut record).collect()
}

const UP: Option<Verdict> = Some(Verdict::Up);
const DOWN: Option<Verdict> = Some(Verdict::Down(Failure::Refused));

#[test]
fn consecutive_failures_take_a_server_down_and_consecutive_successes_bring_it_up() {
    assert_eq!(changes("+--+--"), [UP, None, None, None, None, None]);
    assert_eq!(changes("+---"), [UP, None, None, DOWN]);
    assert_eq!(changes("+---+-+-+"), [UP, None, None, DOWN, None, None, None, None, None]);
    assert_eq!(changes("+---++"), [UP, None, None, DOWN, None, UP]);
}

#[test]
fn an_unknown_server_is_up_after_one_success_but_not_down_after_one_failure() {
    assert_eq!(changes("--+"), [None, None, UP]);
    assert_eq!(changes("---"), [None, None, DOWN]);
}

#[test]
fn a_local_failure_changes_nothing() {
    assert_eq!(changes("...."), [None, None, None, None]);
    assert_eq!(changes("+--.-"), [UP, None, None, None, DOWN]);
    assert_eq!(changes("+--..+"), [UP, None, None, None, None, None]);
}

#[test]
fn the_reason_is_that_of_the_latest_failure() {
    let mut monitor = Monitor::new(&check(), 1);
    for _ in 0..3 {
        monitor.record(monitor.next_due(), failed());
    }
    assert_eq!(monitor.record(monitor.next_due(), Err(Failure::Closed)), None, "the server was down before");
    assert_eq!(*monitor.verdict(), Verdict::Down(Failure::Closed));
}

#[test]
fn a_time_out_does_not_lengthen_the_interval() {
    let mut monitor = Monitor::new(&check(), 1);
    monitor.record(monitor.next_due(), Ok(()));
    let due = monitor.next_due();
    let timed_out = due + 3 * SECOND;
    monitor.record(timed_out, failed());
    assert_eq!(monitor.next_due(), timed_out, "the next probe is overdue");
}

#[test]
fn the_first_probes_are_spread() {
    let mut first: Vec<Duration> = (0..100).map(|seed| Monitor::new(&check(), seed).next_due()).collect();
    assert!(first.iter().all(|due| *due < SECOND));
    first.sort();
    first.dedup();
    assert!(first.len() > 80, "{first:?}");
}

/// Another formulation of the verdict, as a function of the previous verdict and the latest outcomes.
fn expected(outcomes: &[bool], rise: usize, fall: usize) -> Option<bool> {
    let mut up = None;
    for end in 1..=outcomes.len() {
        let ends_in =
            |outcome: bool, count| end >= count && outcomes[end - count..end].iter().all(|seen| *seen == outcome);
        up = match up {
            None if outcomes[end - 1] => Some(true),
            Some(false) if ends_in(true, rise) => Some(true),
            None | Some(true) if ends_in(false, fall) => Some(false),
            _ => up,
        };
    }
    up
}

proptest! {
    #[test]
    fn the_verdict_depends_on_the_outcomes_alone(
        outcomes in proptest::collection::vec(any::<bool>(), 0..60), rise in 1_usize..5, fall in 1_usize..5, seed: u64,
    ) {
        let mut monitor = Monitor::new(&Check { rise, fall, ..check() }, seed);
        let mut reported = Verdict::Unknown;
        for (index, outcome) in outcomes.iter().enumerate() {
            let now = monitor.next_due();
            let outcome = if *outcome { Ok(()) } else { failed() };
            if let Some(verdict) = monitor.record(now, outcome) {
                prop_assert_ne!(&reported, &verdict, "only changes are reported");
                reported = verdict;
            }
            prop_assert_eq!(&reported, monitor.verdict(), "every change is reported");
            let up = match monitor.verdict() {
                Verdict::Unknown => None,
                Verdict::Up => Some(true),
                Verdict::Down(_) => Some(false),
            };
            prop_assert_eq!(up, expected(&outcomes[..=index], rise, fall));
        }
    }

    #[test]
    fn intervals_deviate_by_a_tenth_at_most_and_are_fast_after_a_failure(
        outcomes in proptest::collection::vec(any::<bool>(), 1..60), seed: u64,
    ) {
        let mut monitor = Monitor::new(&check(), seed);
        for outcome in outcomes {
            let now = monitor.next_due();
            monitor.record(now, if outcome { Ok(()) } else { failed() });
            let interval = if outcome && *monitor.verdict() == Verdict::Up { 5 * SECOND } else { SECOND };
            let wait = monitor.next_due() - now;
            prop_assert!((interval.mul_f64(0.9)..=interval.mul_f64(1.1)).contains(&wait), "{:?}", wait);
        }
    }

    #[test]
    fn the_next_probe_is_never_due_in_the_past(waits in proptest::collection::vec(0_u64..20_000, 1..60), seed: u64) {
        let mut monitor = Monitor::new(&check(), seed);
        for wait in waits {
            let now = monitor.next_due() + Duration::from_millis(wait);
            monitor.record(now, failed());
            prop_assert!(monitor.next_due() >= now);
        }
    }
}
