use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// So fast that these tests do not take long.
fn check() -> Arc<Check> {
    let fast = Duration::from_millis(10);
    Arc::new(Check { interval: fast, fast_interval: fast, rise: 2, fall: 2, ..Check::default() })
}

fn subject(target: SocketAddr) -> Subject {
    Subject { target, through: Vec::new(), check: check(), options: ProbeOptions::default() }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

type Statuses = watch::Receiver<HashMap<&'static str, Status>>;

async fn await_verdict(statuses: &mut Statuses, key: &str, verdict: &Verdict) -> Status {
    let is_so = |statuses: &HashMap<&str, Status>| statuses.get(key).is_some_and(|status| status.verdict == *verdict);
    let statuses = timeout(PATIENCE, statuses.wait_for(is_so)).await.unwrap_or_else(|_| panic!("{key}: {verdict:?}"));
    statuses.unwrap()[key].clone()
}

#[tokio::test]
async fn each_server_is_judged_and_judged_anew() {
    let mut runner = Runner::new(10, 1, Clock::start());
    let mut statuses = runner.statuses();
    let ((_works, up), (listener, goes)) = (listen().await, listen().await);
    runner.watch(HashMap::from([("stays", subject(up)), ("goes", subject(goes))]));
    await_verdict(&mut statuses, "stays", &Verdict::Up).await;
    let before = await_verdict(&mut statuses, "goes", &Verdict::Up).await;

    drop(listener);
    let down = await_verdict(&mut statuses, "goes", &Verdict::Down(Failure::Refused)).await;
    assert!(down.since > before.since && down.answers > 0 && down.failures["refused"] >= 2, "{down:?}");
    assert_eq!(statuses.borrow()["stays"].verdict, Verdict::Up, "the other works");

    let listener = TcpListener::bind(goes).await.unwrap();
    await_verdict(&mut statuses, "goes", &Verdict::Up).await;
    drop(listener);
}

#[tokio::test]
async fn what_is_known_stays_unless_the_server_is_asked_another_way() {
    let mut runner = Runner::new(10, 1, Clock::start());
    let mut statuses = runner.statuses();
    let (_listener, address) = listen().await;
    let both = HashMap::from([("same", subject(address)), ("other", subject(address))]);
    runner.watch(both.clone());
    for key in ["same", "other"] {
        await_verdict(&mut statuses, key, &Verdict::Up).await;
    }
    let before = statuses.borrow()["same"].clone();
    let slower = Arc::new(Check { interval: PATIENCE, fast_interval: PATIENCE, ..(*check()).clone() });
    runner.watch(HashMap::from([("same", subject(address)), ("other", Subject { check: slower, ..subject(address) })]));
    assert_eq!(statuses.borrow()["other"].verdict, Verdict::Unknown);
    let after = statuses.borrow()["same"].clone();
    assert_eq!((after.verdict, after.since), (Verdict::Up, before.since));
    runner.watch(HashMap::from([("same", subject(address))]));
    assert_eq!(statuses.borrow().keys().copied().collect::<Vec<_>>(), ["same"]);
}

#[tokio::test]
async fn through_virtual_addresses_a_server_has_to_answer_at_each_and_nowhere_else() {
    let at = |last| IpAddr::from([127, 0, 0, last]);
    let first = TcpListener::bind((at(2), 0)).await.unwrap();
    let port = first.local_addr().unwrap().port();
    let through = |addresses: &[u8]| Subject {
        through: addresses.iter().copied().map(at).collect(),
        ..subject(SocketAddr::new(at(1), port))
    };
    assert_eq!(through(&[2]).ask().await, Ok(()), "nobody listens at its own address");
    let failure = through(&[2, 3]).ask().await.unwrap_err();
    assert_eq!(failure.to_string(), "through 127.0.0.3: nobody listens at its port");
    assert_eq!((failure.reason(), failure.is_ours()), ("refused", false));
    assert!(Failure::Ours("no socket".to_owned()).through(at(2)).is_ours());
    let _second = TcpListener::bind((at(3), port)).await.unwrap();
    assert_eq!(through(&[2, 3]).ask().await, Ok(()));
}

#[tokio::test]
async fn nobody_is_asked_any_more_once_it_is_dropped() {
    let mut runner = Runner::new(10, 1, Clock::start());
    let (listener, address) = listen().await;
    runner.watch(HashMap::from([("server", subject(address))]));
    let mut statuses = runner.statuses();
    timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    drop(runner);
    // Its task is the last one that could publish anything.
    let ended = async { while statuses.changed().await.is_ok() {} };
    timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn no_more_are_asked_at_a_time_than_may_be() {
    // Whoever is connected to waits for an answer.
    let (listener, address) = listen().await;
    let patient = Check { timeout: PATIENCE, ..toml::from_str("kind = \"rtsp\"\nfast_interval = \"100ms\"").unwrap() };
    let patient = Arc::new(patient);
    let subject = || Subject { check: Arc::clone(&patient), ..subject(address) };
    let mut runner = Runner::new(2, 1, Clock::start());
    runner.watch(HashMap::from([("a", subject()), ("b", subject()), ("c", subject())]));
    let accept = || timeout(PATIENCE, listener.accept());
    let (first, _second) = (accept().await.unwrap(), accept().await.unwrap());
    assert!(timeout(Duration::from_millis(300), listener.accept()).await.is_err(), "the third has to wait");
    drop(first);
    accept().await.unwrap().unwrap();
}
