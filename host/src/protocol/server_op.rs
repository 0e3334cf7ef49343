//! What a server sends.

use super::{Message, ServerInfo};

/// One operation of a server.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerOp {
    /// It tells of itself.
    Info(Box<ServerInfo>),
    /// A message for a subscription.
    Message {
        /// The subscription.
        sid: u64,
        /// The message.
        message: Message,
    },
    /// It wants a PONG.
    Ping,
    /// It answers a PING.
    Pong,
    /// It acknowledges a line; only if CONNECT asked for it.
    Ok,
    /// It refuses something; the text without its quotes.
    Error(String),
}

impl ServerOp {
    /// The word on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Info(_) => "INFO",
            Self::Message { .. } => "MSG",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Ok => "+OK",
            Self::Error(_) => "-ERR",
        }
    }
}
