//! What can be wrong with bytes of the server, and with what a caller asks for.

use thiserror::Error;

use super::Sid;
use super::subject::MAX_NAME_BYTES;

/// The server broke the protocol; nothing after it can be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line that begins with no operation of a server.
    #[error("unknown operation {0:?}")]
    UnknownOperation(String),
    /// A line whose end does not come.
    #[error("control line longer than {limit} bytes")]
    LineTooLong {
        /// The bound.
        limit: usize,
    },
    /// Too few, too many or impossible arguments.
    #[error("malformed arguments {0:?}")]
    Arguments(String),
    /// A message too large to hold.
    #[error("message of {size} bytes, more than {limit}")]
    MessageTooLarge {
        /// The declared size.
        size: u64,
        /// The bound.
        limit: usize,
    },
    /// Headers that are longer than the message they are part of.
    #[error("headers of {headers} bytes in a message of {total}")]
    HeadersPastTotal {
        /// The declared size of the headers.
        headers: u64,
        /// The declared size of headers and payload.
        total: u64,
    },
    /// A payload with something else than CR LF behind it.
    #[error("payload of {size} bytes not followed by CR LF")]
    PayloadNotTerminated {
        /// The declared size of headers and payload.
        size: u64,
    },
    /// An INFO that is no JSON object.
    #[error("malformed INFO: {0}")]
    Info(String),
    /// The server must introduce itself first.
    #[error("{0} before INFO")]
    BeforeInfo(&'static str),
}

/// A name that is no subject, pattern, queue group or prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} {value} {fault}")]
pub struct SubjectError {
    /// What the value was to be.
    pub(super) what: &'static str,
    /// The value, quoted and cut to a readable length.
    pub(super) value: String,
    pub(super) fault: SubjectFault,
}

/// What is wrong with a name, and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum SubjectFault {
    #[error("is empty: it needs at least one token")]
    Empty,
    #[error("is longer than {MAX_NAME_BYTES} bytes")]
    Long,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("has {character:?} at byte {at}: spaces and control characters can't be part of it")]
    Character { character: char, at: usize },
    #[error("has an empty token: no '.' may begin it, end it or follow another")]
    EmptyToken,
    #[error("has the wildcard {0:?}: only subscriptions take wildcards")]
    Wildcard(char),
    #[error("has '>' before its end: '>' may only be the last token")]
    FullWildcardNotLast,
    #[error("has {0:?}: it becomes part of subjects, which must have no wildcard")]
    WildcardCharacter(char),
}

/// A header field that can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// A name with other characters than visible ASCII without `:`, or none.
    #[error("header name {0} is not visible ASCII without ':' and space")]
    Name(String),
    /// A value with an end of line in it.
    #[error("value of header {0} has a line break")]
    Value(String),
    /// Too many fields.
    #[error("more than {limit} header fields")]
    TooMany {
        /// The bound.
        limit: usize,
    },
}

/// Why a command was not done; nothing of it has happened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The session was closed.
    #[error("connection closed")]
    Closed,
    /// The session is being drained and takes no subscriptions.
    #[error("connection is being drained")]
    Draining,
    /// Headers and payload together are more than the server takes.
    #[error("message of {size} bytes, more than {limit}")]
    PayloadTooLarge {
        /// Headers and payload.
        size: u64,
        /// What the server takes.
        limit: u64,
    },
    /// The names are longer together than a server reads in one line.
    #[error("control line of {size} bytes, more than {limit}")]
    ControlLineTooLong {
        /// The length of the line.
        size: usize,
        /// What a server reads.
        limit: usize,
    },
    /// The server carries no headers.
    #[error("the server does not support headers")]
    HeadersUnsupported,
    /// More waits to be sent than may.
    #[error("{waiting} bytes wait to be sent, the bound is {limit}")]
    BufferFull {
        /// What waits.
        waiting: usize,
        /// The bound in bytes; while there is no server, another bounds the
        /// number of messages.
        limit: usize,
    },
    /// The server leaves so many questions unanswered that no more are asked.
    #[error("{limit} PINGs wait for their answer already")]
    TooManyPings {
        /// The bound.
        limit: usize,
    },
    /// No such subscription, or not any more.
    #[error("unknown subscription {0}")]
    UnknownSubscription(Sid),
}

/// Quotes a value from outside for an error: escaped, and not endless.
pub(crate) fn quote(value: &[u8]) -> String {
    const SHOWN: usize = 100;
    match value.get(..SHOWN) {
        Some(head) if value.len() > SHOWN => {
            format!("{:?}…", String::from_utf8_lossy(head))
        }
        _ => format!("{:?}", String::from_utf8_lossy(value)),
    }
}
