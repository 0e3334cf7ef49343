//! What a session tells its driver.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::{Message, PingId, RequestId, ServerError, ServerInfo, SessionError, Sid};

/// Something that happened, in the order in which it did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The server told of itself: once in the handshake, where the driver then
    /// secures the transport and authenticates, and at each later change.
    Info(Arc<ServerInfo>),
    /// The server accepted the connection. Subscriptions and what waited for
    /// them are in the output, in that order.
    Connected,
    /// A message for a subscription.
    Message {
        /// The subscription.
        sid: Sid,
        /// The message.
        message: Message,
        /// The subscription has had its maximum and is gone.
        last: bool,
    },
    /// An answer to a request, or its end.
    Reply {
        /// The request.
        id: RequestId,
        /// `Ok(None)` ends a request for many answers normally; an error is
        /// always the last.
        answer: Result<Option<Message>, RequestError>,
        /// The request has ended.
        last: bool,
    },
    /// The server has taken everything written before this PING.
    Pong {
        /// The PING.
        id: PingId,
        /// From the PING's place in the output to its PONG.
        rtt: Duration,
    },
    /// The connection went before the PONG came.
    PingLost {
        /// The PING.
        id: PingId,
    },
    /// The server has answered too many PINGs with silence; the driver closes.
    Stale,
    /// A subscription ended other than by `unsubscribe` or its maximum.
    SubscriptionEnded {
        /// The subscription.
        sid: Sid,
        /// Why.
        reason: EndReason,
    },
    /// The server refused a message, or can't take one that waited for it.
    PublishRefused {
        /// Its subject, or the subject for answers to it.
        subject: String,
        /// What the server said, or why the message was not sent.
        text: String,
    },
    /// Any other error that the server told.
    ServerError(Box<ServerError>),
    /// The server is about to shut down.
    LameDuck,
    /// Servers of the cluster that its list did not have before.
    Discovered(Vec<String>),
    /// `drain` is done: the server has taken everything, and no message of a
    /// subscription follows.
    Drained,
}

/// Why a subscription ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The server does not permit it; its words.
    Refused(String),
    /// It was drained.
    Drained,
    /// The session was closed.
    Closed,
}

/// Why a request ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// None came in time.
    #[error("no answer in time")]
    Timeout,
    /// Nobody listens on the subject.
    #[error("no responders")]
    NoResponders,
    /// The connection broke, and the request may or may not have been seen.
    #[error("connection lost")]
    ConnectionLost,
    /// The server lets this user have no answers; its words.
    #[error("permission denied: {0}")]
    PermissionDenied(String),
    /// It waited for a server, and the one that came can't take it.
    #[error("not sent: {0}")]
    NotSent(SessionError),
    /// The session was closed.
    #[error("closed")]
    Closed,
}
