//! The limits that an operator may set: one list, of which the flags of `run`, the
//! keys of a manifest and its schema are made.

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::units::{Size, Time};
use crate::plugin::Limits;

/// For each limit: what it is, its name, its type, how the command line calls its
/// value, its default, and the field of [`Limits`] that it sets.
macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $value:literal, $default:literal => $($field:ident).+;)+) => {
        /// Limits that differ from the defaults.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize, JsonSchema)]
        #[command(next_help_heading = "Limits")]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        #[non_exhaustive]
        pub struct LimitSettings {
            $(
                $(#[doc = $doc])*
                #[doc = concat!(" Default: ", $default, ".")]
                #[arg(long, value_name = $value)]
                pub $name: Option<$type>,
            )+
        }

        impl LimitSettings {
            /// These, and where they say nothing, those.
            #[must_use]
            pub fn or(&self, defaults: &Self) -> Self {
                Self { $($name: self.$name.or(defaults.$name),)+ }
            }

            /// Sets what is said here, and leaves the rest as it is.
            pub fn apply(&self, limits: &mut Limits) {
                $(if let Some(value) = self.$name {
                    limits.$($field).+ = value.into_amount();
                })+
            }

            /// All limits as they would be written: flag or key, and value.
            pub fn written(limits: &Limits) -> Vec<(String, String)> {
                vec![$((
                    stringify!($name).replace('_', "-"),
                    <$type as Amount<_>>::write(limits.$($field).+),
                ),)+]
            }

            #[cfg(test)]
            const DEFAULTS: &[(&str, &str)] = &[$((stringify!($name), $default),)+];
        }
    };
}

limits! {
    /// All linear memories of one instance together.
    max_memory: Size = "SIZE", "256MiB" => max_memory_bytes;
    /// Elements of all tables of one instance together.
    max_table_elements: u64 = "N", "100000" => max_table_elements;
    /// Core instances of one instance: the modules that its component is made of.
    max_core_instances: u64 = "N", "100" => max_core_instances;
    /// Streams, pollables, open files and other handles of one instance.
    max_handles: u64 = "N", "10000" => max_handles;

    /// Time for `start`, connecting included.
    start_timeout: Time = "TIME", "30s" => start_timeout;
    /// Time for one callback, waits included.
    callback_timeout: Time = "TIME", "30s" => callback_timeout;
    /// Processor time of `start`, of `stop`, and of one callback.
    callback_cpu_time: Time = "TIME", "5s" => callback_cpu_time;
    /// Time for `stop`, waits included.
    stop_callback_timeout: Time = "TIME", "10s" => stop_callback_timeout;
    /// Time in which an instance that is replaced or no longer needed works off what
    /// it has; the rest is dropped.
    drain_timeout: Time = "TIME", "10s" => drain_timeout;
    /// Time for a command from its begin to its end.
    command_timeout: Time = "TIME", "no limit" => command_timeout;

    /// Messages that an instance handles at once, if its handler is asynchronous.
    max_concurrent_calls: u64 = "N", "64" => max_concurrent_calls;
    /// Subscriptions of one instance.
    max_subscriptions: u64 = "N", "10000" => max_subscriptions;
    /// Requests of one instance that are under way.
    max_requests: u64 = "N", "65536" => max_requests;
    /// Headers and payloads of those requests together.
    max_request_bytes: Size = "SIZE", "64MiB" => max_request_bytes;
    /// Answers that wait for one instance, together.
    max_answer_bytes: Size = "SIZE", "64MiB" => max_answer_bytes;
    /// Timers of one instance.
    max_timers: u64 = "N", "10000" => max_timers;
    /// Messages of one subscription that wait.
    max_pending_messages: u64 = "N", "65536" => mailbox.max_messages;
    /// Their bytes: subject, reply-to, headers and payload.
    max_pending_bytes: Size = "SIZE", "64MiB" => mailbox.max_bytes;
    /// Messages of all subscriptions that wait for one instance.
    max_instance_pending_messages: u64 = "N", "131072" => mailbox.max_instance_messages;
    /// Their bytes.
    max_instance_pending_bytes: Size = "SIZE", "128MiB" => mailbox.max_instance_bytes;

    /// Connections of one plugin.
    max_connections: u64 = "N", "16" => max_connections;
    /// Headers and payload of one message; the server has a limit too.
    max_payload: Size = "SIZE", "8MiB" => max_payload_bytes;
    /// Header fields of one message; there are never more than 1024.
    max_headers: u64 = "N", "1024" => max_headers;
    /// Header block of one message.
    max_header_bytes: Size = "SIZE", "64KiB" => max_header_bytes;
    /// Messages and requests that one plugin publishes in a second.
    max_publish_messages_per_second: u64 = "N", "no limit" => max_publish_messages_per_second;
    /// Headers and payloads that one plugin publishes in a second.
    max_publish_bytes_per_second: Size = "SIZE", "no limit" => max_publish_bytes_per_second;

    /// Lines that one plugin logs in a second.
    max_log_lines_per_second: u64 = "N", "1000" => max_log_lines_per_second;
    /// The bytes of these lines.
    max_log_bytes_per_second: Size = "SIZE", "1MiB" => max_log_bytes_per_second;
    /// One line of the log; the rest goes on in a line of its own.
    max_log_line: Size = "SIZE", "8KiB" => max_log_line_bytes;

    /// Failures of one instance, in the time of the next limit; one more, and the
    /// plugin is quarantined.
    max_failures: u32 = "N", "10" => max_failures;
    /// The time in which failures are counted.
    failure_window: Time = "TIME", "1m" => failure_window;

    /// The file of a component.
    max_component: Size = "SIZE", "64MiB" => max_component_bytes;
    /// Time for compiling a component that is not in the cache.
    compile_timeout: Time = "TIME", "2m" => compile_timeout;
}

/// What is written for a limit, and what it is for the host.
trait Amount<T> {
    fn into_amount(self) -> T;

    /// How the amount would be written.
    fn write(amount: T) -> String;
}

const NO_LIMIT: &str = "no limit";

impl Amount<u64> for u64 {
    fn into_amount(self) -> u64 {
        self
    }

    fn write(amount: u64) -> String {
        if amount == u64::MAX { NO_LIMIT.to_owned() } else { amount.to_string() }
    }
}

impl Amount<u32> for u32 {
    fn into_amount(self) -> u32 {
        self
    }

    fn write(amount: u32) -> String {
        amount.to_string()
    }
}

impl Amount<usize> for u64 {
    fn into_amount(self) -> usize {
        usize::try_from(self).unwrap_or(usize::MAX)
    }

    fn write(amount: usize) -> String {
        amount.to_string()
    }
}

impl Amount<u64> for Size {
    fn into_amount(self) -> u64 {
        self.0
    }

    fn write(amount: u64) -> String {
        if amount == u64::MAX { NO_LIMIT.to_owned() } else { Self(amount).to_string() }
    }
}

impl Amount<usize> for Size {
    fn into_amount(self) -> usize {
        self.0.into_amount()
    }

    fn write(amount: usize) -> String {
        Self(amount as u64).to_string()
    }
}

impl Amount<Duration> for Time {
    fn into_amount(self) -> Duration {
        self.0
    }

    fn write(amount: Duration) -> String {
        if amount == Duration::MAX { NO_LIMIT.to_owned() } else { Self(amount).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_stays_as_it_is() {
        let mut limits = Limits::default();
        LimitSettings::default().apply(&mut limits);
        assert_eq!(limits, Limits::default());
        let settings = LimitSettings { max_memory: Some(Size(1)), ..LimitSettings::default() };
        settings.apply(&mut limits);
        assert_eq!(limits, Limits { max_memory_bytes: 1, ..Limits::default() });
    }

    #[test]
    fn the_defaults_in_the_help_are_the_defaults() {
        let written = LimitSettings::written(&Limits::default());
        assert_eq!(written.len(), LimitSettings::DEFAULTS.len());
        for ((name, value), (field, default)) in written.iter().zip(LimitSettings::DEFAULTS) {
            assert_eq!((name.replace('-', "_").as_str(), value.as_str()), (*field, *default));
        }
    }

    #[test]
    fn every_limit_is_documented_with_its_default() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
        let text = std::fs::read_to_string(path).unwrap();
        for (name, default) in LimitSettings::written(&Limits::default()) {
            let flag = format!("`--{name}`");
            let row = text.lines().find(|line| line.starts_with('|') && line.contains(&flag));
            let row = row.unwrap_or_else(|| panic!("no row of {flag} in docs/limits.md"));
            assert!(row.contains(&format!("| {default} |")), "{flag} has {default}: {row}");
        }
    }

    #[test]
    fn settings_of_a_plugin_go_before_the_defaults() {
        let all = LimitSettings {
            max_timers: Some(1),
            max_memory: Some(Size(2)),
            ..LimitSettings::default()
        };
        let own = LimitSettings { max_timers: Some(3), ..LimitSettings::default() };
        let both = own.or(&all);
        assert_eq!((both.max_timers, both.max_memory), (Some(3), Some(Size(2))));
    }

    #[test]
    fn unknown_and_misspelt_limits_are_errors() {
        let parse = |text: &str| toml::from_str::<LimitSettings>(text).map_err(|e| e.to_string());
        assert!(parse("max-memoy = \"1MiB\"").unwrap_err().contains("max-memoy"));
        assert!(parse("max-memory = 5").unwrap_err().contains("string"));
        assert!(parse("max-memory = \"5\"").unwrap_err().contains("is no size"));
        assert_eq!(parse("max-memory = \"1MiB\"").unwrap().max_memory, Some(Size(1 << 20)));
    }
}
