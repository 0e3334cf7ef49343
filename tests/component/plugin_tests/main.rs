//! The library for plugin authors' own tests, with the guests of this repository.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "written as authors write their tests"
)]

mod clock;
mod expectations;
mod policy;
mod server;
mod talk;

use simple_nats::testing::PluginTest;

/// A test of one of this repository's guests.
fn test_of(guest: &str) -> PluginTest {
    PluginTest::new(test_support::guest(guest).unwrap())
}

/// What a test that fails says.
fn failure_of(test: impl FnOnce()) -> String {
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)).unwrap_err();
    *failed.downcast::<String>().expect("a text")
}

/// It says all of this.
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}
