//! Where a connection hands over what arrives.

use crate::protocol::{EndReason, Message, RequestError, ServerError};

/// Takes the messages of subscriptions and the answers to requests.
///
/// The connection calls it while it holds its own lock, from its own task: an
/// implementation puts the thing somewhere and returns. It must not call the
/// connection and must not wait.
///
/// `token` is the number that was given with the subscription or request; it
/// means nothing to the connection.
pub trait Receiver: Send + Sync {
    /// Messages of subscriptions that have come one behind the other, so that who
    /// takes a lock takes it once for all of them. What it does not take may be lost.
    fn messages(&self, arrivals: &mut dyn Iterator<Item = Arrival>) -> Reception;

    /// How it gets on with what it was given. Asked again and again while it is
    /// behind, without the connection's lock.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// The subscription ended without having been unsubscribed by its owner.
    fn subscription_ended(&self, token: u64, reason: EndReason);

    /// An answer to a request, or its end; see [`Answer`].
    fn reply(&self, token: u64, answer: Answer, last: bool);
}

/// A message of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// That of the subscription.
    pub token: u64,
    /// The message.
    pub message: Message,
    /// No other follows for this subscription.
    pub last: bool,
}

/// What a receiver made of messages; unless it says otherwise, it has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reception {
    /// So much waits there that the connection should leave what comes next to the
    /// server for a while.
    pub is_behind: bool,
    /// So many it had no room for.
    pub dropped: u64,
}

/// What waits at a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// More than half of what may wait does.
    pub is_high: bool,
    /// Grows with each message that waits no more.
    pub handled: u64,
}

/// What comes of a request: a message, a normal end (`Ok(None)`), or an error.
pub type Answer = Result<Option<Message>, RequestError>;

/// Is told what happens to a connection as a whole. The same rules as for
/// [`Receiver`].
pub trait Listener: Send + Sync {
    /// Something happened.
    fn event(&self, event: &ConnectionEvent);
}

/// What happens to a connection, apart from messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// It broke: the address of the server, and why. It reconnects by itself.
    Disconnected(String),
    /// It stands again; the address of the server.
    Reconnected(String),
    /// Servers of the cluster that were not known before, as `host:port`.
    Discovered(Vec<String>),
    /// The server is about to shut down.
    LameDuck,
    /// A drain is done.
    Drained,
    /// It has ended for good, and why; with the address of the server if one was
    /// the reason.
    Closed(String),
    /// The server refused a publish.
    PublishRefused {
        /// The subject of the message.
        subject: String,
        /// The server's words.
        text: String,
    },
    /// Any other error that the server reported.
    ServerError(ServerError),
}

impl ConnectionEvent {
    /// Whether the server refused something: what a client can have as often as it
    /// likes.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::PublishRefused { .. } | Self::ServerError(_))
    }
}
