//! Why an operation was not done, as the author of a plugin sees it.

use crate::bindings::simple_nats::client::types;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No valid subject or subject pattern; the text quotes it and says why.
    #[error("invalid subject: {0}")]
    SubjectInvalid(String),
    /// A header name or value that can't be sent.
    #[error("invalid header: {0}")]
    HeaderInvalid(String),
    /// A client name, queue group or inbox prefix that can't be used.
    #[error("invalid name: {0}")]
    NameInvalid(String),
    /// Headers and payload together pass this limit, in bytes.
    #[error("headers and payload together exceed {0} bytes")]
    PayloadTooLarge(u64),
    /// The host's policy says no; the text names what was refused.
    #[error("permission denied: {0}")]
    PermissionDenied(String),
    /// One of the plugin's limits is reached; the text names it.
    #[error("quota exceeded: {0}")]
    QuotaExceeded(String),
    /// Not a connection of this plugin.
    #[error("unknown client {0}")]
    UnknownClient(u32),
    /// Not a subscription of this instance, or one that has ended.
    #[error("unknown subscription {0}")]
    UnknownSubscription(u64),
    /// The host keeps no more for a server that can't be reached. Worth another
    /// try after [`Event::Reconnected`](crate::Event::Reconnected).
    #[error("send buffer is full")]
    BufferFull,
    /// Nothing came in the time given.
    #[error("timed out")]
    Timeout,
    /// Nobody listens on the subject of the request.
    #[error("no responders")]
    NoResponders,
    /// The host is stopping.
    #[error("cancelled, the host is stopping")]
    Cancelled,
    /// The connection broke meanwhile; whether the other side saw the operation
    /// is unknown.
    #[error("connection lost")]
    ConnectionLost,
    /// The connection was closed or is being drained.
    #[error("connection closed")]
    Closed,
    /// No server could be reached, or it refused; the text says which and why.
    #[error("connect failed: {0}")]
    ConnectFailed(String),
    /// A response to a message, with this subject, that expects none.
    #[error("no reply-to in the message on {0}")]
    NoReplyTo(String),
    /// A callback tried to wait for further deliveries.
    #[error("a callback can't wait for other callbacks")]
    InCallback,
    /// Not the JSON that was expected, or a value that JSON can't express.
    #[error("json: {0}")]
    Json(String),
    /// Anything else; the text says what.
    #[error("{0}")]
    Other(String),
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::SubjectInvalid(text) => Self::SubjectInvalid(text),
            types::Error::HeaderInvalid(text) => Self::HeaderInvalid(text),
            types::Error::NameInvalid(text) => Self::NameInvalid(text),
            types::Error::PayloadTooLarge(limit) => Self::PayloadTooLarge(limit),
            types::Error::PermissionDenied(text) => Self::PermissionDenied(text),
            types::Error::QuotaExceeded(text) => Self::QuotaExceeded(text),
            types::Error::UnknownClient(id) => Self::UnknownClient(id),
            types::Error::UnknownSubscription(sid) => Self::UnknownSubscription(sid),
            types::Error::BufferFull => Self::BufferFull,
            types::Error::Timeout => Self::Timeout,
            types::Error::NoResponders => Self::NoResponders,
            types::Error::Cancelled => Self::Cancelled,
            types::Error::ConnectionLost => Self::ConnectionLost,
            types::Error::Closed => Self::Closed,
            types::Error::ConnectFailed(text) => Self::ConnectFailed(text),
            types::Error::Other(text) => Self::Other(text),
        }
    }
}

#[cfg(feature = "serde_json")]
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_the_value_at_fault() {
        let error = Error::from(types::Error::UnknownSubscription(7));
        assert_eq!(error.to_string(), "unknown subscription 7");
    }
}
