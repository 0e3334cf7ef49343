//! What a plugin asks for, and what it is refused.

use simple_nats::plugin::Directory;
use simple_nats::policy::{Policy, QueueRules, SubjectRules};
use simple_nats::testing::Message;
use test_support::TempDir;

use crate::{assert_has, failure_of, test_of};

fn rules(list: &[&str]) -> SubjectRules {
    SubjectRules::new(list.iter().copied()).unwrap()
}

#[test]
fn a_given_policy_is_enforced() {
    let why = test_of("echo").policy(Policy::deny_all()).expect_no_start();
    assert_has(&why, &["echo", "not allowed"]);

    let policy = Policy { subscribe: rules(&["echo"]), ..Policy::deny_all() };
    let plugin = test_of("echo").policy(policy.clone()).start();
    plugin.deliver(Message::new("echo").with_reply_to("answers"));
    plugin.expect_publish("answers");
    assert!(plugin.refusals().is_empty());
    let failed = failure_of(|| plugin.assert_needs_no_more_than(&policy));
    assert_has(&failed, &["nothing is learned where a policy is given"]);

    let policy = Policy { subscribe: rules(&["timers.in"]), ..Policy::deny_all() };
    let plugin = test_of("timers").policy(policy).start();
    plugin.deliver(Message::new("timers.in").with_payload("once 0"));
    assert_has(&plugin.expect_failure(), &["on-"]);
    assert_has(&plugin.refusals()[0], &["timers.out"]);
}

#[test]
fn what_a_plugin_needs_is_learned_and_compared() {
    let plugin = test_of("rpc-worker").start();
    let group = QueueRules::new(["workers"]).unwrap();
    let enough = Policy { subscribe: rules(&["rpc.*"]), queue_groups: group, ..Policy::deny_all() };
    let failed = failure_of(|| plugin.assert_needs_no_more_than(&Policy::deny_all()));
    assert_has(&failed, &["subscribing to \"rpc.worker\"", "joining the queue group \"workers\""]);
    plugin.assert_needs_no_more_than(&enough);
    assert_has(
        &plugin.learned_policy(),
        &["[plugin.rpc-worker.permissions]", "subscribe = [\"rpc.worker\"]"],
    );

    let plugin = test_of("requester").start();
    let go = Message::new("requester.go").with_payload(r#"{"n":1,"subject":"svc"}"#);
    plugin.deliver(go.with_reply_to("report"));
    let policy = Policy { subscribe: rules(&["requester.go"]), ..Policy::deny_all() };
    let failed = failure_of(|| plugin.assert_needs_no_more_than(&policy));
    assert_has(&failed, &["the policy does not allow: requests to \"svc\"\n"]);
    plugin.assert_needs_no_more_than(&Policy { request: rules(&["svc"]), ..policy.clone() });
    plugin.assert_needs_no_more_than(&Policy { publish: rules(&["svc"]), ..policy });
}

#[test]
fn limits_are_those_of_the_host() {
    let plugin = test_of("timers").with(|settings| settings.limits.max_timers = 1).start();
    plugin.deliver(Message::new("timers.in").with_payload("once 10"));
    assert!(plugin.refusals().is_empty());
    plugin.deliver(Message::new("timers.in").with_payload("once 10"));
    plugin.expect_failure();
    assert_has(&plugin.refusals()[0], &["timers", "1"]);
}

#[test]
fn settings_reach_the_plugin() {
    let plugin = test_of("probe").environment("COLOUR", "blue").start();
    let ask = r#"{"op":"environment"}"#;
    plugin.deliver(Message::new("probe.cmd").with_payload(ask).with_reply_to("answers"));
    plugin.expect_publish("answers").payload(r#"{"ok":[["COLOUR","blue"]]}"#);

    let plugin = test_of("system").config("size", "large").start();
    plugin.deliver(Message::new("system.config").with_payload("size").with_reply_to("answers"));
    plugin.expect_publish("answers").payload("large");
}

#[test]
fn granted_files_are_read_before_the_test_goes_on() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("greeting"), "hello").unwrap();
    let directory =
        Directory { host: folder.path().to_owned(), guest: "/data".to_owned(), is_writable: false };
    let plugin = test_of("system").with(|settings| settings.directories.push(directory)).start();
    let read = |file: &str| {
        let path = format!("/data/{file}");
        plugin.deliver(Message::new("system.read").with_payload(path).with_reply_to("answers"));
        plugin.expect_publish("answers").message().text()
    };
    assert_has(&read("missing"), &["error: "]);
    assert_eq!(read("greeting"), "hello");
}
