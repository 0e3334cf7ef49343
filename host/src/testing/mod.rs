//! Component tests for the authors of plugins: a plugin in the real host, with a
//! scripted server and a clock that the test moves.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use simple_nats::testing::{self, Message, PluginTest};
//!
//! let component = testing::build(env!("CARGO_MANIFEST_DIR"));
//! let plugin = PluginTest::new(component).start();
//!
//! plugin.deliver(Message::new("orders.new").with_payload("7").with_reply_to("answers"));
//! let request = plugin.expect_request("stock.reserve").payload("7");
//! request.answer("reserved");
//! plugin.expect_publish("answers").payload("accepted");
//!
//! plugin.deliver(Message::new("orders.new").with_payload("8").with_reply_to("answers"));
//! plugin.expect_request("stock.reserve").time_out();
//! plugin.expect_publish("answers").header("Nats-Service-Error-Code", "500");
//! plugin.expect_nothing();
//! ```
//!
//! Nothing in it depends on how fast the machine is: the plugin runs on the thread of
//! the test, and each call lets it run until it waits. The clock of the plugin and
//! its host stands still unless [`advance`](PluginUnderTest::advance) moves it. The
//! same test runs [against a real server](PluginTest::against).
//!
//! Tests are plain functions with `#[test]`, without a runtime of their own. They
//! panic where an expectation is not met, and say what the plugin has done instead.

mod broker;
mod failures;
mod journal;
mod log;
mod message;
mod package;
mod plugin;
mod published;
mod server;
mod setup;
mod stage;
mod thread;

pub use message::Message;
pub use package::build;
pub use plugin::{Event, PluginUnderTest, Subscription};
pub use published::{Published, Request};
pub use setup::PluginTest;
