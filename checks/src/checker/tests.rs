use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A check with short intervals, so that the tests are fast.
fn check() -> Arc<Check> {
    let fast = Duration::from_millis(10);
    Arc::new(Check { interval: fast, fast_interval: fast, rise: 2, fall: 2, ..Check::default() })
}

fn target(address: SocketAddr) -> Target {
    Target { address, virtual_addresses: Vec::new(), check: check(), options: ProbeOptions::default() }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

type Statuses = watch::Receiver<HashMap<&'static str, Status>>;

async fn await_verdict(statuses: &mut Statuses, key: &str, verdict: &Verdict) -> Status {
    let has_verdict =
        |statuses: &HashMap<&str, Status>| statuses.get(key).is_some_and(|status| status.verdict == *verdict);
    let statuses =
        timeout(PATIENCE, statuses.wait_for(has_verdict)).await.unwrap_or_else(|_| panic!("{key}: {verdict:?}"));
    statuses.unwrap()[key].clone()
}

#[tokio::test]
async fn each_server_has_its_own_verdict() {
    let mut checker = HealthChecker::new(10, 1, Clock::start());
    let mut statuses = checker.statuses();
    let ((_works, up), (listener, goes)) = (listen().await, listen().await);
    checker.set_targets(HashMap::from([("stays", target(up)), ("goes", target(goes))]));
    await_verdict(&mut statuses, "stays", &Verdict::Up).await;
    let before = await_verdict(&mut statuses, "goes", &Verdict::Up).await;

    drop(listener);
    let down = await_verdict(&mut statuses, "goes", &Verdict::Down(Failure::Refused)).await;
    assert!(down.since > before.since && down.successes > 0 && down.failures["refused"] >= 2, "{down:?}");
    assert_eq!(statuses.borrow()["stays"].verdict, Verdict::Up);

    let listener = TcpListener::bind(goes).await.unwrap();
    await_verdict(&mut statuses, "goes", &Verdict::Up).await;
    drop(listener);
}

#[tokio::test]
async fn an_unchanged_target_keeps_its_status_and_a_changed_one_starts_anew() {
    let mut checker = HealthChecker::new(10, 1, Clock::start());
    let mut statuses = checker.statuses();
    let (_listener, address) = listen().await;
    let both = HashMap::from([("same", target(address)), ("other", target(address))]);
    checker.set_targets(both.clone());
    for key in ["same", "other"] {
        await_verdict(&mut statuses, key, &Verdict::Up).await;
    }
    let before = statuses.borrow()["same"].clone();
    let slower = Arc::new(Check { interval: PATIENCE, fast_interval: PATIENCE, ..(*check()).clone() });
    checker.set_targets(HashMap::from([
        ("same", target(address)),
        ("other", Target { check: slower, ..target(address) }),
    ]));
    assert_eq!(statuses.borrow()["other"].verdict, Verdict::Unknown);
    let after = statuses.borrow()["same"].clone();
    assert_eq!((after.verdict, after.since), (Verdict::Up, before.since));
    checker.set_targets(HashMap::from([("same", target(address))]));
    assert_eq!(statuses.borrow().keys().copied().collect::<Vec<_>>(), ["same"]);
}

#[tokio::test]
async fn every_virtual_address_must_respond_and_the_servers_own_need_not() {
    let at = |last| IpAddr::from([127, 0, 0, last]);
    let first = TcpListener::bind((at(2), 0)).await.unwrap();
    let port = first.local_addr().unwrap().port();
    let through = |addresses: &[u8]| Target {
        virtual_addresses: addresses.iter().copied().map(at).collect(),
        ..target(SocketAddr::new(at(1), port))
    };
    assert_eq!(through(&[2]).probe().await, Ok(()), "there is no listener on its own address");
    let failure = through(&[2, 3]).probe().await.unwrap_err();
    assert_eq!(failure.to_string(), "through 127.0.0.3: connection refused");
    assert_eq!((failure.reason(), failure.is_local()), ("refused", false));
    assert!(Failure::Local("no socket".to_owned()).through(at(2)).is_local());
    let _second = TcpListener::bind((at(3), port)).await.unwrap();
    assert_eq!(through(&[2, 3]).probe().await, Ok(()));
}

#[tokio::test]
async fn dropping_the_checker_ends_all_checks() {
    let mut checker = HealthChecker::new(10, 1, Clock::start());
    let (listener, address) = listen().await;
    checker.set_targets(HashMap::from([("server", target(address))]));
    let mut statuses = checker.statuses();
    timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    drop(checker);
    // Only the task can still hold a sender.
    let ended = async { while statuses.changed().await.is_ok() {} };
    timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn the_number_of_concurrent_probes_is_limited() {
    // The server accepts connections and does not respond.
    let (listener, address) = listen().await;
    let patient = Check { timeout: PATIENCE, ..toml::from_str("kind = \"rtsp\"\nfast_interval = \"100ms\"").unwrap() };
    let patient = Arc::new(patient);
    let target = || Target { check: Arc::clone(&patient), ..target(address) };
    let mut checker = HealthChecker::new(2, 1, Clock::start());
    checker.set_targets(HashMap::from([("a", target()), ("b", target()), ("c", target())]));
    let accept = || timeout(PATIENCE, listener.accept());
    let (first, _second) = (accept().await.unwrap(), accept().await.unwrap());
    assert!(timeout(Duration::from_millis(300), listener.accept()).await.is_err(), "the third has to wait");
    drop(first);
    accept().await.unwrap().unwrap();
}
