//! Texts of a manifest that mean more than text: subjects, names, addresses.
//! Each has a format, which the schema names and by which it is checked.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::units::{Size, Time};
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
    (Time::FORMAT, |text| said(text.parse::<Time>())),
    (Size::FORMAT, |text| said(text.parse::<Size>())),
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

impl InstanceBounds {
    /// What the text says; one if it was not checked before.
    pub(super) fn get(&self) -> InstanceCount {
        self.0.parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_checked() {
        for (format, _) in FORMATS {
            assert!(check(format, "a b\n").is_err(), "{format}");
        }
        assert!(check("uri", "a b").is_ok());
    }
}
