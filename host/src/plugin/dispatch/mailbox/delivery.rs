//! What an instance is handed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::connection::{Answer, ConnectionEvent};
use crate::protocol::Message;

/// A message for a subscription of the instance.
#[derive(Clone)]
pub(in crate::plugin) struct Incoming {
    pub(in crate::plugin) client: u32,
    pub(in crate::plugin) sid: u64,
    pub(in crate::plugin) message: Message,
}

/// One thing for the instance to handle.
pub(in crate::plugin) enum Delivery {
    Message(Incoming),
    Reply { client: u32, id: u64, answer: Answer, last: bool },
    Event { client: u32, event: Box<Event> },
    Timer(u64),
}

/// What an instance is told of a connection of its plugin, or of a subscription
/// of its own.
#[derive(Debug, Clone)]
pub(in crate::plugin) enum Event {
    Connection(ConnectionEvent),
    Connected(String),
    /// Everything that the server had for this connection has been taken.
    Drained,
    SlowConsumer {
        sid: u64,
        /// Of this episode; goes on counting until the instance hears of it.
        dropped: Arc<AtomicU64>,
    },
    SubscriptionEnded {
        sid: u64,
        reason: String,
    },
}
