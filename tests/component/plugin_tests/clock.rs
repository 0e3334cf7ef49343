//! Time, and chance.

use std::time::Duration;

use simple_nats::testing::Message;

use crate::test_of;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn timers_go_by_the_clock_of_the_test() {
    let plugin = test_of("timers").start();
    let say = |text: &str| plugin.deliver(Message::new("timers.in").with_payload(text));
    say("once 3600000");
    plugin.advance(SECOND * 3_599);
    plugin.expect_nothing();
    plugin.advance(SECOND);
    plugin.expect_publish("timers.out").payload("once");

    say("repeat 1000 3");
    plugin.advance(SECOND * 10);
    for count in ["1", "2", "3"] {
        plugin.expect_publish("timers.out").payload(count);
    }
    plugin.expect_nothing();
}

#[test]
fn a_caller_on_a_timer_is_answered_as_long_as_the_test_likes() {
    let plugin = test_of("rpc-caller").start();
    plugin.expect_nothing();
    plugin.advance(SECOND);
    let call = plugin.expect_request("rpc.worker");
    plugin.advance(SECOND * 2);
    call.no_responders();
    let log = plugin.logs();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[1].starts_with("call 1: "), "{log:?}");
    // It has not waited for the first one.
    let [second, third] = [0; 2].map(|_| plugin.expect_request("rpc.worker"));
    assert_ne!(second.message().payload(), third.message().payload());
    plugin.expect_nothing();
}

#[test]
fn guests_that_sleep_do_so_by_the_clock_of_the_test() {
    let plugin = test_of("system").start();
    plugin.deliver(Message::new("system.sleep").with_payload("3000").with_reply_to("answers"));
    plugin.advance(Duration::from_millis(2_999));
    plugin.expect_nothing();
    plugin.advance(Duration::from_millis(1));
    plugin.expect_publish("answers").payload("slept");
}

#[test]
fn a_callback_that_waits_too_long_is_ended() {
    let plugin = test_of("system").start();
    plugin.deliver(Message::new("system.sleep").with_payload("100000").with_reply_to("answers"));
    plugin.advance(SECOND * 60);
    plugin.expect_publish("answers").header("Nats-Service-Error-Code", "500");
    let failure = plugin.expect_failure();
    assert!(failure.contains("30s"), "{failure}");
}

#[test]
fn equal_tests_see_equal_plugins() {
    let look = |seed| {
        let plugin = test_of("clocks").seed(seed).start();
        plugin.deliver(Message::new("clocks").with_reply_to("answers"));
        plugin.advance(SECOND);
        plugin.expect_publish("answers").message().text()
    };
    assert_eq!(look(1), look(1));
    assert_ne!(look(1), look(2));
    assert!(look(1).starts_with("1893456000.000 1893456001.000 1000 "), "{}", look(1));
}
