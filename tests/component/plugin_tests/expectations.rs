//! Expectations that are not met say what was there instead.

use simple_nats::testing::Message;

use crate::{assert_has, failure_of, test_of};

#[test]
fn a_missing_message_is_told_with_all_that_is_known() {
    let plugin = test_of("echo").start();
    plugin.deliver(Message::new("echo").with_payload("a\u{7}").with_reply_to("one"));
    plugin.deliver(Message::new("echo").with_payload("b").with_reply_to("two"));
    plugin.expect_publish("two");
    let failed = failure_of(|| {
        plugin.expect_publish("three");
    });
    assert_has(
        &failed,
        &[
            "expected a message to `three`, and none came",
            "• `one`: \"a\\u{7}\"",
            "✓ `two`: \"b\"",
            "subscriptions:\n  echo\n",
            "log:\n  echo answers on echo\n",
            "time passed: 0ns",
        ],
    );
}

#[test]
fn another_payload_and_another_header_are_told_with_both() {
    let plugin = test_of("echo").start();
    plugin.deliver(Message::new("echo").with_payload("b").with_reply_to("answers"));
    let answer = plugin.expect_publish("answers");
    let failed = failure_of(|| drop(answer.payload("a")));
    assert_has(&failed, &["expected \"a\"", "it has   \"b\""]);

    plugin.deliver(Message::new("echo").with_header("X", "1").with_reply_to("answers"));
    let answer = plugin.expect_publish("answers");
    let failed = failure_of(|| drop(answer.header("X", "2")));
    assert_has(&failed, &["expected the header X: 2", "X: 1"]);
}

#[test]
fn a_message_too_many_is_told() {
    let plugin = test_of("echo").start();
    plugin.deliver(Message::new("echo").with_reply_to("answers"));
    let failed = failure_of(|| plugin.expect_nothing());
    assert_has(&failed, &["published what was not expected", "• `answers`"]);
}

#[test]
fn a_message_that_nobody_takes_is_not_delivered() {
    let plugin = test_of("echo").start();
    let failed = failure_of(|| plugin.deliver(Message::new("other")));
    assert_has(&failed, &["the plugin has not subscribed to `other`", "subscriptions:\n  echo"]);
    let failed = failure_of(|| plugin.deliver(Message::new("echo").with_reply_to("a b")));
    assert_has(&failed, &["can't deliver", "a b"]);
}

#[test]
fn a_request_and_a_failure_that_do_not_come_are_told() {
    let plugin = test_of("echo").start();
    plugin.deliver(Message::new("echo").with_reply_to("answers"));
    let failed = failure_of(|| drop(plugin.expect_request("answers")));
    assert_has(&failed, &["expected a request to `answers`, and none came"]);
    let failed = failure_of(|| drop(plugin.expect_failure()));
    assert_has(&failed, &["expected that something fails"]);
    let failed = failure_of(|| drop(plugin.expect_publish("a..b")));
    assert_has(&failed, &["\"a..b\" is no subject"]);
}

#[test]
fn a_plugin_that_does_not_start_says_why() {
    let failed = failure_of(|| drop(test_of("start-error").start()));
    assert_has(&failed, &["the plugin did not start", "nothing to serve here"]);
    assert_has(&test_of("start-error").expect_no_start(), &["nothing to serve here"]);
    assert_has(&test_of("start-trap").expect_no_start(), &["start"]);
    let failed = failure_of(|| drop(test_of("echo").expect_no_start()));
    assert_has(&failed, &["expected that the plugin does not start"]);
}

#[test]
fn what_is_no_plugin_is_refused_with_its_name() {
    let missing = simple_nats::testing::PluginTest::new("no/such/plugin.wasm").expect_no_start();
    assert_has(&missing, &["no/such/plugin.wasm"]);
    assert_has(&test_of("job").expect_no_start(), &["job", "command"]);
    assert_has(&test_of("wasmcloud").expect_no_start(), &["--subscribe"]);
    let failed = failure_of(|| drop(test_of("wasmcloud").subscribe("a..b")));
    assert_has(&failed, &["a..b"]);
}
