//! Where connects are not rejected, clients call `getLoadBalancerRedirect`, as they did with the Wowza Load Balancer AddOn.

use std::io::ErrorKind;

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::amf0::Value;
use weir_tests::clients::flash;
use weir_tests::clients::rtmp::Connection;
use weir_tests::edges::NginxRtmp;

const CONFIG: &str = "[[application]]\nname = \"redirect\"\nredirect_on_connect = false\n";

/// A Flash player that has connected.
fn connected(balancer: &Balancer) -> Connection {
    let url = balancer.url("rtmp", "/redirect");
    let (mut connection, application) = flash::open(&url).expect("a connection");
    let (name, _, arguments) = flash::ask(&mut connection, &url, &application).expect("an answer");
    assert_eq!(name, "_result");
    assert_eq!(arguments[1].text("code"), Some("NetConnection.Connect.Success"));
    connection
}

#[test]
fn a_client_is_told_the_host_of_its_edge() {
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
    assert_eq!(balancer.handouts("rtmp"), 2.0);
}

#[test]
fn without_an_edge_the_host_is_unknown() {
    let balancer = Balancer::with_config(CONFIG);
    let mut connection = connected(&balancer);
    connection.send("getLoadBalancerRedirect", 2.0, &[Value::Null]).unwrap();
    assert_eq!(connection.receive().unwrap().2[1], Value::String("unknown".to_owned()));
}

#[test]
fn it_serves_no_streams_and_does_not_wait_for_ever() {
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
