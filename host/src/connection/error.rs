//! What can go wrong between the host and its servers.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::credentials::CredentialsError;
use super::tls::{TlsError, explain};
use crate::protocol::{DecodeError, RequestError, ServerError, SessionError};

/// A connection could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The list of servers is empty.
    #[error("connect: no server address was given")]
    NoServers,
    /// Every server was tried; this is what the last one answered.
    #[error("connect to {server}: {source}")]
    Failed {
        /// `host:port` of the server tried last.
        server: String,
        /// Why it did not work.
        #[source]
        source: DialError,
    },
}

/// One attempt at one server failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name has no address, or the network said no.
    #[error("{}", explain(.0))]
    Io(#[from] io::Error),
    /// Name lookup gave nothing.
    #[error("the host name has no address")]
    NoAddress,
    /// No complete handshake in time.
    #[error("no NATS handshake within {0:?}")]
    Timeout(Duration),
    /// The other side sent what no NATS server sends.
    #[error("this is not a NATS server: {0}")]
    NotNats(DecodeError),
    /// The server turned the connection down.
    #[error("the server refused the connection: {0}")]
    Refused(ServerError),
    /// The transport could not be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The other side does not speak WebSocket, or not to us.
    #[error("WebSocket: {0}")]
    WebSocket(#[from] tokio_websockets::Error),
    /// What the host was given to log in with can't be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// It hung up in the middle of the handshake.
    #[error("the server closed the connection during the handshake")]
    HungUp,
}

impl DialError {
    /// The server said that the login is wrong; trying again won't help.
    pub fn is_authentication(&self) -> bool {
        matches!(self, Self::Refused(error) if error.is_authentication())
    }
}

/// An operation on a connection was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The operation is against the rules of the protocol or its limits.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A request ended without an answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nothing came in time.
    #[error("no answer from the server within {0:?}")]
    Timeout(Duration),
    /// The connection broke while the answer was awaited.
    #[error("the connection was lost")]
    ConnectionLost,
}
