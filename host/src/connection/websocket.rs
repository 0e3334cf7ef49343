//! NATS over WebSocket: the same bytes, in binary messages whose borders mean
//! nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets::{ClientBuilder, Error, Message, WebSocketStream};

use super::address::ServerAddress;
use super::transport::Transport;

/// The most bytes that go into one message.
const MAX_MESSAGE: usize = 64 * 1024;

/// A WebSocket as a stream of bytes.
pub(super) struct WebSocket {
    stream: WebSocketStream<Transport>,
    /// What is left of the message read last.
    rest: Bytes,
}

impl WebSocket {
    /// Makes a stream into a WebSocket, as HTTP 1.1 asks for.
    pub(super) async fn open(transport: Transport, server: &ServerAddress) -> Result<Self, Error> {
        let scheme = if server.tls() { "wss" } else { "ws" };
        let builder = ClientBuilder::new()
            .uri(&format!("{scheme}://{server}/"))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (stream, _) = builder.connect_on(transport).await?;
        Ok(Self { stream, rest: Bytes::new() })
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(this.stream.poll_next_unpin(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                Some(Ok(message)) if message.is_binary() || message.is_text() => {
                    this.rest = message.into_payload().into();
                }
                // Pings are answered below; a close is followed by the end.
                Some(Ok(_)) => {}
            }
        }
        let count = this.rest.len().min(buffer.remaining());
        buffer.put_slice(this.rest.get(..count).unwrap_or_default());
        this.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.stream.poll_ready_unpin(cx)).map_err(broken)?;
        let bytes = bytes.get(..MAX_MESSAGE).unwrap_or(bytes);
        this.stream.start_send_unpin(Message::binary(bytes.to_vec())).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_flush_unpin(cx).map_err(broken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_close_unpin(cx).map_err(broken)
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
