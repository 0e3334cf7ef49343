//! How much a plugin may use, and what holds it to that.

pub(super) mod excess;
pub(super) mod limiter;
pub(super) mod quota;
pub(super) mod rate;

use std::collections::BTreeMap;
use std::time::Duration;

use super::dispatch::mailbox::MailboxLimits;

/// Bounds on what one plugin uses. A rate of `u64::MAX` and a time of
/// `Duration::MAX` stand for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// All linear memories of one instance together, in bytes.
    pub max_memory_bytes: usize,
    /// Elements of all tables of one instance together.
    pub max_table_elements: usize,
    /// Core instances of one instance: the modules that its component is made of.
    /// One from Rust has three, one from Python some twenty.
    pub max_core_instances: usize,
    /// Handles of one instance: those of WASI, such as streams, pollables and open
    /// files, and as many again that its own components hand to each other.
    pub max_handles: usize,

    /// Bounds `start`, connecting included.
    pub start_timeout: Duration,
    /// Bounds one callback, waits included.
    pub callback_timeout: Duration,
    /// Bounds the processor time of `start`, of `stop`, and of one callback.
    pub callback_cpu_time: Duration,
    /// Bounds `stop`, waits included.
    pub stop_callback_timeout: Duration,
    /// Bounds what an instance that is replaced or no longer needed takes to work off
    /// what it has; the rest is dropped.
    pub drain_timeout: Duration,
    /// Bounds a command from its begin to its end.
    pub command_timeout: Duration,

    /// Messages that an instance handles at once, if its handler is asynchronous.
    pub max_concurrent_calls: usize,
    /// Subscriptions of one instance.
    pub max_subscriptions: usize,
    /// Requests of one instance that are under way.
    pub max_requests: usize,
    /// Headers and payloads of those requests together, in bytes.
    pub max_request_bytes: usize,
    /// Answers that wait for one instance together, in bytes.
    pub max_answer_bytes: usize,
    /// Timers of one instance.
    pub max_timers: usize,
    /// What may wait for one instance.
    pub mailbox: MailboxLimits,

    /// Connections of the plugin.
    pub max_connections: usize,
    /// Headers and payload of one message, in bytes; the server has a limit too.
    pub max_payload_bytes: usize,
    /// Header fields of one message.
    pub max_headers: usize,
    /// Header block of one message, in bytes.
    pub max_header_bytes: usize,
    /// Messages and requests that the plugin publishes in a second. As many again
    /// may come at once after a rest.
    pub max_publish_messages_per_second: u64,
    /// Their headers and payloads, in bytes.
    pub max_publish_bytes_per_second: u64,

    /// Lines that the plugin logs in a second. As many again may come at once
    /// after a rest.
    pub max_log_lines_per_second: u64,
    /// The bytes of these lines.
    pub max_log_bytes_per_second: u64,
    /// One line of the log, in bytes; the rest goes on in a line of its own.
    pub max_log_line_bytes: usize,

    /// Failures of one instance in `failure_window`; one more, and the plugin is
    /// quarantined.
    pub max_failures: u32,
    /// The time in which failures are counted.
    pub failure_window: Duration,

    /// The file of the component, in bytes.
    pub max_component_bytes: u64,
    /// Bounds compiling a component that is not in the cache.
    pub compile_timeout: Duration,
}

impl Limits {
    /// All of them by name, in the unit of the name. Those without a bound are not
    /// in it.
    pub(super) fn list(&self) -> BTreeMap<&'static str, u64> {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let all = [
            ("memory-bytes", self.max_memory_bytes as u64),
            ("table-elements", self.max_table_elements as u64),
            ("core-instances", self.max_core_instances as u64),
            ("handles", self.max_handles as u64),
            ("start-timeout-ms", ms(self.start_timeout)),
            ("callback-timeout-ms", ms(self.callback_timeout)),
            ("callback-cpu-time-ms", ms(self.callback_cpu_time)),
            ("stop-callback-timeout-ms", ms(self.stop_callback_timeout)),
            ("drain-timeout-ms", ms(self.drain_timeout)),
            ("command-timeout-ms", ms(self.command_timeout)),
            ("concurrent-calls", self.max_concurrent_calls as u64),
            ("subscriptions", self.max_subscriptions as u64),
            ("requests", self.max_requests as u64),
            ("request-bytes", self.max_request_bytes as u64),
            ("answer-bytes", self.max_answer_bytes as u64),
            ("timers", self.max_timers as u64),
            ("pending-messages", self.mailbox.max_messages as u64),
            ("pending-bytes", self.mailbox.max_bytes as u64),
            ("instance-pending-messages", self.mailbox.max_instance_messages as u64),
            ("instance-pending-bytes", self.mailbox.max_instance_bytes as u64),
            ("connections", self.max_connections as u64),
            ("payload-bytes", self.max_payload_bytes as u64),
            ("headers", self.max_headers as u64),
            ("header-bytes", self.max_header_bytes as u64),
            ("publish-messages-per-second", self.max_publish_messages_per_second),
            ("publish-bytes-per-second", self.max_publish_bytes_per_second),
            ("log-lines-per-second", self.max_log_lines_per_second),
            ("log-bytes-per-second", self.max_log_bytes_per_second),
            ("log-line-bytes", self.max_log_line_bytes as u64),
            ("failures", self.max_failures.into()),
            ("failure-window-ms", ms(self.failure_window)),
            ("component-bytes", self.max_component_bytes),
            ("compile-timeout-ms", ms(self.compile_timeout)),
        ];
        all.into_iter().filter(|(_, maximum)| *maximum != u64::MAX).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_memory_bytes: 256 << 20,
            max_table_elements: 100_000,
            max_core_instances: 100,
            max_handles: 10_000,
            start_timeout: Duration::from_secs(30),
            callback_timeout: Duration::from_secs(30),
            callback_cpu_time: Duration::from_secs(5),
            stop_callback_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            command_timeout: Duration::MAX,
            max_concurrent_calls: 64,
            max_subscriptions: 10_000,
            max_requests: 65_536,
            max_request_bytes: 64 << 20,
            max_answer_bytes: 64 << 20,
            max_timers: 10_000,
            mailbox: MailboxLimits::default(),
            max_connections: 16,
            // What the makers of the server advise at the most; its own default is 1 MiB.
            max_payload_bytes: 8 << 20,
            max_headers: crate::protocol::MAX_HEADER_FIELDS,
            max_header_bytes: 64 << 10,
            // A quick plugin and a flood differ only in what their operator expects.
            max_publish_messages_per_second: u64::MAX,
            max_publish_bytes_per_second: u64::MAX,
            max_log_lines_per_second: 1_000,
            max_log_bytes_per_second: 1 << 20,
            max_log_line_bytes: 8 << 10,
            max_failures: 10,
            failure_window: Duration::from_secs(60),
            max_component_bytes: 64 << 20,
            compile_timeout: Duration::from_secs(120),
        }
    }
}
