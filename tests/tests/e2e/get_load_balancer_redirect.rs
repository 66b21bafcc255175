//! With `redirect_on_connect = false`, clients call `getLoadBalancerRedirect`, as with the Wowza Load Balancer AddOn.

use std::io::ErrorKind;

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::amf0::Value;
use weir_tests::clients::flash;
use weir_tests::clients::rtmp::Connection;
use weir_tests::edges::NginxRtmp;

const CONFIG: &str = "[[application]]\nname = \"redirect\"\nredirect_on_connect = false\n";

/// Returns the connection of a Flash player after a successful connect.
fn connected(balancer: &Balancer) -> Connection {
    let url = balancer.url("rtmp", "/redirect");
    let (mut connection, application) = flash::open(&url).expect("a connection");
    let (name, _, arguments) = flash::ask(&mut connection, &url, &application).expect("an answer");
    assert_eq!(name, "_result");
    assert_eq!(arguments[1].text("code"), Some("NetConnection.Connect.Success"));
    connection
}

#[test]
fn the_call_returns_the_host_of_an_edge() {
    let balancer = Balancer::with_config(CONFIG);
    let edge = NginxRtmp::start();
    let _agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port()).start();
    balancer.await_running(1);
    let mut connection = connected(&balancer);
    for transaction in [2.0, 3.0] {
        connection.send("getLoadBalancerRedirect", transaction, &[Value::Null]).unwrap();
        let host = Value::String(edge.address().to_string());
        assert_eq!(connection.receive().unwrap(), ("_result".to_owned(), transaction, vec![Value::Null, host]));
    }
    assert_eq!(balancer.assignments("rtmp"), 2.0);
}

#[test]
fn without_an_edge_the_call_returns_unknown() {
    let balancer = Balancer::with_config(CONFIG);
    let mut connection = connected(&balancer);
    connection.send("getLoadBalancerRedirect", 2.0, &[Value::Null]).unwrap();
    assert_eq!(connection.receive().unwrap().2[1], Value::String("unknown".to_owned()));
}

#[test]
fn streams_are_refused_and_idle_clients_time_out() {
    let balancer = Balancer::with_config(&format!("{CONFIG}[limits]\ndecision_timeout = \"1s\"\n"));
    let mut player = connected(&balancer);
    player.send("createStream", 2.0, &[Value::Null]).unwrap();
    assert_eq!(player.receive().unwrap().0, "_error");
    assert_eq!(player.receive().unwrap().0, "close");
    assert_eq!(player.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let mut idle = connected(&balancer);
    assert_eq!(idle.receive().unwrap().0, "onStatus");
    assert_eq!(idle.receive().unwrap().0, "close");
    assert_eq!(idle.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
}
