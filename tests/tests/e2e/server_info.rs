//! `?serverInfoXML` can be read by programs written for the original.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::{XML_READERS, ask, fetch};
use weir_tests::json;
use weir_tests::wait::{PATIENCE, eventually};

/// Asserts that all readers parse the page, and returns the lines that they print.
#[track_caller]
fn assert_all_read(balancer: &Balancer) -> Vec<String> {
    let mut fleet = balancer.server_info();
    // Reports and assignments continue between two requests, so all readers get the same page.
    let answer = eventually("a page between two reports", PATIENCE, || {
        let answer = fetch(&balancer.url("http", "/loadbalancer?serverInfoXML"), &[]);
        let before = std::mem::replace(&mut fleet, balancer.server_info());
        if without_time(&before) == without_time(&fleet) { Ok(answer) } else { Err(format!("{fleet:?}")) }
    });
    assert_eq!(answer.content_type.split(';').next(), Some("text/xml"));
    assert!(
        answer.body.starts_with("<LoadBalancerServerInfo>"),
        "the page starts with an XML declaration: {}",
        answer.body
    );
    let expected = without_time(&fleet);
    for reader in XML_READERS {
        assert_eq!(reader.read(&answer.body), expected, "{}", reader.name);
    }
    expected
}

/// Returns the lines that a reader prints.
fn without_time(fleet: &[weir_tests::server_info::ServerInfo]) -> Vec<String> {
    let line = |edge: &weir_tests::server_info::ServerInfo| {
        let (id, redirect, status) = (&edge.server_id, &edge.redirect, &edge.status);
        format!("{id} {redirect} {status} {} {}", edge.connect_count, edge.redirect_count)
    };
    fleet.iter().map(line).collect()
}

#[test]
fn the_page_is_readable_by_perl_php_and_python() {
    let balancer = Balancer::start();
    assert!(assert_all_read(&balancer).is_empty());
    let first = AgentBuilder::of(&balancer).load(3).start();
    balancer.await_running(1);
    let lines = assert_all_read(&balancer);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(&format!("{} RUNNING 3 ", first.address)), "{lines:?}");

    let mut others = [1, 2].map(|load| AgentBuilder::of(&balancer).load(load).start());
    balancer.await_running(3);
    assert_eq!(assert_all_read(&balancer).len(), 3);

    // An edge that no longer takes clients is still listed.
    others[0].kill();
    balancer.await_fleet("a timed-out edge", |fleet| fleet.iter().any(|edge| edge.status == "MSGTIMEOUT"));
    assert_eq!(assert_all_read(&balancer).len(), 3);
}

#[test]
fn the_page_has_the_elements_of_the_original_in_the_same_order() {
    let balancer = Balancer::start();
    let agent = AgentBuilder::of(&balancer).load(7).start();
    balancer.await_running(1);
    let page = fetch(&balancer.url("http", "/loadbalancer?serverInfoXML"), &[]).body;
    let names = ["connectCount", "status", "redirectCount", "lastMessage", "redirect", "serverId"];
    let positions: Vec<Option<usize>> = names.iter().map(|name| page.find(&format!("<{name}>"))).collect();
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{page}");
    let edge = &balancer.server_info()[0];
    assert_eq!((edge.connect_count, edge.redirect.clone()), (7, agent.address.to_string()));
    assert!(edge.last_message.ends_with(" milliseconds"), "{}", edge.last_message);
}

#[test]
fn the_elements_of_the_fork_come_last_and_json_has_the_same_keys() {
    let balancer = Balancer::start();
    let agent = AgentBuilder::of(&balancer).load(7).start();
    balancer.await_running(1);
    let page = fetch(&balancer.url("http", "/loadbalancer?serverInfoXML"), &[]).body;
    assert!(page.find("<weight>1</weight>") > page.find("</serverId>"), "{page}");
    let answer = fetch(&balancer.url("http", "/loadbalancer?serverInfoJSON"), &[]);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    assert!(answer.body.starts_with("{\"LoadBalancerServerInfo\":[{\"connectCount\":7,"), "{}", answer.body);
    let listed = &json::parse(&answer.body)["LoadBalancerServerInfo"][0];
    assert_eq!(listed["status"], "RUNNING");
    assert_eq!(listed["redirect"], agent.address.to_string());
    assert_eq!(listed["serverId"], agent.guid());
}

#[test]
fn assignments_are_shown_until_the_next_report() {
    let balancer = Balancer::start();
    let _agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    eventually("an assignment is shown", PATIENCE, || {
        let _ = ask(&balancer);
        let count = balancer.server_info()[0].redirect_count;
        if count > 0 { Ok(()) } else { Err(count.to_string()) }
    });
    balancer.await_fleet("no assignment since the last report", |fleet| fleet[0].redirect_count == 0);
}

#[test]
fn flash_players_get_a_policy_file() {
    let balancer = Balancer::start();
    let answer = fetch(&balancer.url("http", "/crossdomain.xml"), &[]);
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("<cross-domain-policy>"), "{}", answer.body);
    assert!(answer.body.contains("<allow-access-from domain=\"*\""), "{}", answer.body);
}
