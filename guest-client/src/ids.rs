//! The numbers by which the host knows things: each kind a type of its own, so
//! that one can't be taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u64);

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A subscription of this instance; never reused while the instance lives.
    Sid
}
id! {
    /// A request of this instance; never reused while the instance lives.
    RequestId
}
id! {
    /// A timer of this instance; never reused while the instance lives.
    TimerId
}
