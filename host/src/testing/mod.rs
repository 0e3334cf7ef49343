//! Component tests for the authors of plugins: a plugin in the real host, with a
//! scripted server and a clock that the test moves.
//!
//! ```ignore
#![doc = include_str!("../../../examples/rpc-caller/tests/calls.rs")]
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
pub use package::{build, build_with_profile};
pub use plugin::{Event, PluginUnderTest, Subscription};
pub use published::{Published, Request};
pub use setup::PluginTest;
