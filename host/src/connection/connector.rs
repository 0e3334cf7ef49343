//! Streams to servers that are made in another way than by TCP.

use std::fmt;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use super::address::ServerAddress;

/// Makes the streams of a connection. What they carry is NATS; whatever else a
/// server needs, such as encryption, is the connector's business.
pub(crate) trait Connector: Send + Sync {
    /// Opens a stream to this server.
    fn connect(&self, server: &ServerAddress) -> Connecting;
}

/// A stream that is being opened.
pub(crate) type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Bytes in both directions. It keeps the wakers of both apart, since whoever publishes
/// may write while the driver waits for what is to be read.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}
