//! Texts of a manifest that mean more than text: times, sizes, subjects, names.
//! Each has a format, which the schema names and by which it is checked.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::connection::ServerAddress;
use crate::plugin::{HostSubscription, InstanceCount};
use crate::policy::{QueueRules, ServerRules};
use crate::protocol::{SubjectPattern, check_client_name, check_inbox_prefix};

/// Checks a text of this format.
type Check = fn(&str) -> Result<(), String>;

/// Checks a text by the name of its format; texts of no known format are fine.
pub(super) fn check(format: &str, text: &str) -> Result<(), String> {
    let known = FORMATS.iter().find(|(name, _)| *name == format);
    known.map_or(Ok(()), |(_, check)| check(text))
}

const FORMATS: &[(&str, Check)] = &[
    (Time::FORMAT, |text| duration(text).map(drop)),
    (Size::FORMAT, |text| bytes(text).map(drop)),
    (Pattern::FORMAT, |text| said(SubjectPattern::new(text))),
    (SubscriptionText::FORMAT, |text| said(text.parse::<HostSubscription>())),
    (QueueGroupName::FORMAT, |text| said(QueueRules::new([text]))),
    (Server::FORMAT, |text| said(ServerRules::new([text]))),
    (Address::FORMAT, |text| said(text.parse::<ServerAddress>())),
    (ClientNameText::FORMAT, |text| said(check_client_name(text))),
    (InboxPrefix::FORMAT, |text| said(check_inbox_prefix(text))),
    (InstanceBounds::FORMAT, |text| said(text.parse::<InstanceCount>())),
];

fn said<T, E: ToString>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

macro_rules! text_of_format {
    ($($(#[$doc:meta])* $name:ident = $format:literal, $description:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        pub(super) struct $name(pub(super) String);

        impl $name {
            const FORMAT: &'static str = $format;

            /// The text.
            #[allow(dead_code, reason = "not every format needs it")]
            pub(super) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "description": $description })
            }
        }
    )*};
}

text_of_format! {
    /// A duration.
    Time = "duration-text", "A number and a unit, such as `500ms`, `30s`, `5m` or `1h 30m`.";
    /// A number of bytes.
    Size = "byte-size", "A number and a unit, such as `500 B`, `64 KiB`, `256 MiB` or `1 GiB`; also kB, MB and GB.";
    /// A subject with or without wildcards.
    Pattern = "subject-pattern", "A subject, perhaps with wildcards: `orders.new`, `orders.*`, `orders.>`.";
    /// What the host subscribes to for a component.
    SubscriptionText = "subscription", "A subject or pattern, perhaps with a queue group: `orders.>`, `orders.>|workers`.";
    /// The names of queue groups.
    QueueGroupName = "queue-group", "A queue group, perhaps with wildcards: `workers`, `workers.*`.";
    /// A server that a plugin may open.
    Server = "server", "A server as `host` or `host:port`; the port defaults to 4222.";
    /// A server that the host connects to.
    Address = "server-address", "An address such as `localhost`, `nats://host:4222`, `tls://host` or `[::1]:4222`.";
    /// A client name.
    ClientNameText = "client-name", "A name that can be part of a subject: no spaces, `*`, `>` or empty tokens.";
    /// Bounds of a number of instances.
    InstanceBounds = "instance-bounds", "Bounds such as `2..8`, or `auto`, which is `1..8`.";
    /// An inbox prefix.
    InboxPrefix = "inbox-prefix", "A subject to which `.N` can be added: no spaces, `*`, `>` or empty tokens.";
}

impl Time {
    /// What the text says; nothing if it was not checked before.
    pub(super) fn get(&self) -> Duration {
        duration(&self.0).unwrap_or_default()
    }
}

impl Size {
    /// What the text says; nothing if it was not checked before.
    pub(super) fn bytes(&self) -> usize {
        bytes(&self.0).unwrap_or_default()
    }
}

impl InstanceBounds {
    /// What the text says; one if it was not checked before.
    pub(super) fn get(&self) -> InstanceCount {
        self.0.parse().unwrap_or_default()
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is no duration such as \"500ms\" or \"30s\": {error}"))
}

fn bytes(text: &str) -> Result<usize, String> {
    let bad = || {
        format!("{text:?} is no size such as \"64 MiB\"; units are B, KiB, MiB, GiB, kB, MB and GB")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
    let factor: usize = match unit.trim() {
        "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(bad()),
    };
    let number: usize = number.parse().map_err(|_| bad())?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is more than there can be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for bad in ["", "64", "MiB", "64 mib", "1.5 MiB", "-1 B", "99999999999999 GiB", "64 Mi"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for (text, size) in [("500 B", 500), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2kB", 2_000)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        for bad in ["", "5", "s", "5 parsecs", "-1s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn every_format_is_checked() {
        for (format, _) in FORMATS {
            assert!(check(format, "a b\n").is_err(), "{format}");
        }
        assert!(check("uri", "a b").is_ok());
    }
}
