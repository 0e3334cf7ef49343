//! The numbers that name things of one session. None is ever used twice.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A subscription, also on the wire.
    Sid
}
id! {
    /// A request; on the wire the last token of its reply subject.
    RequestId
}
id! {
    /// A PING that someone waits for.
    PingId
}
