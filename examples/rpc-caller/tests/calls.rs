//! Tests of the plugin as a component, in the real host: the test plays the worker
//! that it calls, and moves its clock.

use std::collections::BTreeMap;
use std::time::Duration;

use simple_nats::policy::{Policy, SubjectRules};
use simple_nats::testing::{self, PluginTest};

const SECOND: Duration = Duration::from_secs(1);

/// The plugin, built as it is to run.
fn plugin() -> PluginTest {
    PluginTest::new(testing::build_with_profile(env!("CARGO_MANIFEST_DIR"), "guest"))
}

/// What a worker answers to the first call.
fn first_answer() -> Vec<u8> {
    rmp_serde::to_vec_named(&BTreeMap::from([("sum", 1.0), ("mean", 1.0)])).unwrap()
}

#[test]
fn each_second_a_worker_is_called_and_its_answer_printed() {
    let plugin = plugin().start();
    plugin.expect_nothing();

    plugin.advance(SECOND);
    plugin.expect_request("rpc.worker").answer(first_answer());
    plugin.advance(SECOND);
    let failure = [("Nats-Service-Error", "too busy"), ("Nats-Service-Error-Code", "500")];
    plugin.expect_request("rpc.worker").answer_with(failure, "");
    plugin.expect_nothing();

    assert_eq!(plugin.logs()[1..], ["call 1: sum 1, mean 1", "call 2: too busy"]);
}

#[test]
fn calls_go_on_without_a_worker() {
    let plugin = plugin().start();
    plugin.advance(SECOND);
    plugin.expect_request("rpc.worker").no_responders();
    plugin.advance(SECOND);
    plugin.expect_request("rpc.worker").time_out();
    // Meanwhile it has called again.
    plugin.expect_request("rpc.worker");
    assert_eq!(plugin.logs()[1..], ["call 1: no responders", "call 2: timed out"]);
}

#[test]
fn it_needs_no_more_than_to_call_its_worker() {
    let plugin = plugin().start();
    plugin.advance(SECOND);
    plugin.expect_request("rpc.worker");
    let request = SubjectRules::new(["rpc.worker"]).unwrap();
    plugin.assert_needs_no_more_than(&Policy { request, ..Policy::deny_all() });
}

#[test]
#[ignore = "needs a nats-server that nobody else uses"]
fn a_worker_is_called_through_a_real_server() {
    let plugin = plugin().against("nats://localhost:4222").start();
    plugin.advance(SECOND);
    plugin.expect_request("rpc.worker").answer(first_answer());
}
