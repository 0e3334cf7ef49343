//! Messages, requests, subscriptions.

use std::time::Duration;

use simple_nats::testing::{Event, Message};

use crate::{assert_has, failure_of, test_of};

/// A call without numbers, in MessagePack.
const NO_NUMBERS: &[u8] = b"\x81\xa7numbers\x90";

#[test]
fn a_message_is_answered_with_headers_and_payload() {
    let plugin = test_of("echo").start();
    assert_eq!(plugin.logs(), ["echo answers on echo"]);
    let question = Message::new("echo").with_reply_to("answers").with_header("Trace", "7");
    plugin.deliver(question.clone().with_payload("one"));
    plugin.deliver(question.with_payload("two"));
    plugin.expect_publish("answers").payload("one").header("Trace", "7").no_reply_to();
    plugin.expect_publish("answers").payload("two");
    plugin.expect_nothing();
    plugin.stop();
}

#[test]
fn subscriptions_are_seen_with_their_queue_groups() {
    let plugin = test_of("rpc-worker").start();
    let [subscription] = plugin.subscriptions().try_into().unwrap();
    assert_eq!(subscription.subject, "rpc.worker");
    assert_eq!(subscription.queue_group.as_deref(), Some("workers"));
    assert!(plugin.memory_bytes() >= 64 << 10, "{}", plugin.memory_bytes());
    plugin.stop();
    assert!(plugin.subscriptions().is_empty());
    assert_eq!(plugin.memory_bytes(), 0);
}

#[test]
fn a_failed_callback_is_answered_and_has_to_be_expected() {
    let plugin = test_of("rpc-worker").start();
    let call = Message::new("rpc.worker").with_payload(NO_NUMBERS).with_reply_to("answers");
    plugin.deliver(call);
    plugin.expect_publish("answers").header("Nats-Service-Error", "no numbers to add");
    let unexpected = failure_of(|| plugin.expect_nothing());
    assert_has(&unexpected, &["the plugin has failed", "• no numbers to add"]);
    assert_eq!(plugin.expect_failure(), "no numbers to add");
    plugin.expect_nothing();
}

#[test]
fn a_trap_is_answered_and_the_next_instance_serves() {
    let plugin = test_of("trapper").start();
    let deliver = |text: &str| {
        plugin.deliver(Message::new("trapper.in").with_payload(text).with_reply_to("answers"));
    };
    deliver("a");
    plugin.expect_publish("answers").payload("1 a");
    deliver("trap");
    plugin.expect_publish("answers").header("Nats-Service-Error-Code", "500");
    assert_has(&plugin.expect_failure(), &["trap"]);
    deliver("b");
    plugin.expect_publish("answers").payload("1 b");
    plugin.expect_nothing();
}

#[test]
fn requests_are_answered_fail_or_time_out() {
    let plugin = test_of("requester").start();
    let go = Message::new("requester.go").with_payload(r#"{"n":4,"subject":"svc"}"#);
    plugin.deliver(go.with_reply_to("report"));
    let [right, wrong, nobody, never] = [0; 4].map(|_| plugin.expect_request("svc"));
    assert_eq!(never.message().text(), "3");
    never.time_out();
    // The others have waited for as long.
    plugin.expect_publish("report").payload(r#"{"ok":0,"wrong":0,"errors":4}"#);
    let late = failure_of(|| right.time_out());
    assert_has(&late, &["nothing waits for the answer", "`svc`"]);

    let go = Message::new("requester.go").with_payload(r#"{"n":3,"subject":"svc"}"#);
    plugin.deliver(go.with_reply_to("report"));
    drop((right, wrong, nobody));
    let [right, wrong, nobody] = [0; 3].map(|_| plugin.expect_request("svc"));
    right.answer("0");
    wrong.answer("elephant");
    nobody.no_responders();
    plugin.expect_publish("report").payload(r#"{"ok":1,"wrong":1,"errors":1}"#);
    plugin.expect_nothing();
}

#[test]
fn a_plugin_that_waits_for_its_answer_is_not_in_the_way_of_the_test() {
    let plugin = test_of("requester-blocking").start();
    let go = Message::new("requester-blocking.go").with_payload(r#"{"n":3,"subject":"svc"}"#);
    plugin.deliver(go.with_reply_to("report"));
    plugin.expect_request("svc").payload("0").answer("0");
    plugin.expect_request("svc").payload("1").no_responders();
    plugin.expect_request("svc").payload("2").time_out();
    plugin.expect_publish("report").payload(r#"{"errors":2,"ok":1,"wrong":0}"#);
    plugin.expect_nothing();
}

#[test]
fn what_a_plugin_publishes_to_itself_it_gets() {
    let plugin = test_of("sleeper").start();
    plugin.deliver(Message::new("sleeper.in").with_payload("5000").with_reply_to("answers"));
    plugin.expect_request("sleeper.silent");
    plugin.advance(Duration::from_millis(4_999));
    plugin.expect_nothing();
    plugin.advance(Duration::from_millis(1));
    plugin.expect_publish("answers").payload("slept");
}

#[test]
fn events_of_the_connection_reach_the_plugin() {
    let plugin = test_of("probe").start();
    plugin.raise(Event::Discovered(vec!["other:4222".to_owned()]));
    plugin.raise(Event::LameDuck);
    plugin.raise(Event::PublishRefused("out".to_owned()));
    plugin.raise(Event::ServerError("it's broken".to_owned()));
    plugin.raise(Event::Disconnected);
    plugin.raise(Event::Reconnected);
    let ask = r#"{"op":"events"}"#;
    plugin.deliver(Message::new("probe.cmd").with_payload(ask).with_reply_to("answers"));
    let answer = plugin.expect_publish("answers").message().text();
    let kinds =
        ["connected", "discovered", "lame", "refused", "error", "disconnected", "reconnected"];
    assert_has(&answer, &kinds);
    assert_eq!(plugin.subscriptions()[0].subject, "probe.cmd");
}

#[test]
fn what_stop_publishes_can_be_expected() {
    let plugin = test_of("stopper").start();
    plugin.deliver(Message::new("stopper.in"));
    plugin.deliver(Message::new("stopper.in"));
    plugin.stop();
    plugin.expect_publish("stopper.stopped").payload("2");
    plugin.expect_nothing();
}

#[test]
fn components_of_others_and_in_other_languages_are_tested_alike() {
    for guest in ["wasmcloud", "wasi-messaging", "wasmcloud-draft", "wasmcloud-streams"] {
        let plugin = test_of(guest).subscribe("in.*|workers").start();
        let question = Message::new("in.a").with_payload("echo hello").with_reply_to("answers");
        plugin.deliver(question);
        plugin.expect_publish("answers").payload("in.a hello");
        plugin.expect_nothing();
        plugin.stop();
    }
}
