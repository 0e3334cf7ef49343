//! The same test with the scripted server and with a real one.

use std::time::Duration;

use simple_nats::testing::{Event, Message, PluginUnderTest};
use test_support::NatsServer;

use crate::{assert_has, failure_of, test_of};

/// Runs a test of a guest with a scripted server, and with a real one.
fn in_both_ways(guest: &str, test: impl Fn(PluginUnderTest)) {
    test(test_of(guest).start());
    with_server(|server| test(test_of(guest).against(server).start()));
}

fn with_server(test: impl Fn(&str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(NatsServer::start()).unwrap();
    test(&server.url());
}

#[test]
fn messages_requests_and_failures_are_the_same() {
    in_both_ways("requester-blocking", |plugin| {
        assert_eq!(plugin.subscriptions()[0].subject, "requester-blocking.go");
        let go = Message::new("requester-blocking.go").with_payload(r#"{"n":2,"subject":"svc"}"#);
        plugin.deliver(go.clone().with_reply_to("report"));
        plugin.expect_request("svc").payload("0").answer("0");
        plugin.expect_request("svc").payload("1").no_responders();
        plugin.expect_publish("report").payload(r#"{"errors":1,"ok":1,"wrong":0}"#);
        plugin.expect_nothing();

        plugin.deliver(go.with_payload("nonsense").with_reply_to("report"));
        plugin.expect_publish("report").header("Nats-Service-Error-Code", "500");
        plugin.expect_failure();
        plugin.expect_nothing();
        plugin.stop();
    });
}

#[test]
fn time_passes() {
    in_both_ways("timers", |plugin| {
        plugin.deliver(Message::new("timers.in").with_payload("repeat 10 2"));
        plugin.advance(Duration::from_millis(50));
        plugin.expect_publish("timers.out").payload("1");
        plugin.expect_publish("timers.out").payload("2");
        plugin.expect_nothing();
    });
}

#[test]
fn connections_break_and_come_back() {
    in_both_ways("echo", |plugin| {
        plugin.raise(Event::Disconnected);
        plugin.raise(Event::Reconnected);
        plugin.deliver(Message::new("echo").with_payload("a").with_reply_to("answers"));
        plugin.expect_publish("answers").payload("a");
        plugin.expect_nothing();
    });
}

#[test]
fn a_real_server_does_not_take_orders_and_has_to_be_there() {
    with_server(|server| {
        let plugin = test_of("echo").against(server).start();
        let failed = failure_of(|| plugin.raise(Event::LameDuck));
        assert_has(&failed, &["a real server can't be told", "LameDuck"]);
    });
    let nowhere = test_of("echo").against("nats://127.0.0.1:1").expect_no_start();
    assert_has(&nowhere, &["127.0.0.1:1"]);
}
