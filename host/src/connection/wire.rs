//! A transport, and what is on its way into it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use super::shared::{Shared, State};
use super::transport::Transport;
use crate::protocol::{KEPT_OUTPUT, first_unwritten};

/// Used by the driver, and by those who write what they publish at once.
pub(super) struct Wire {
    stream: Transport,
    output: Vec<u8>,
    written: usize,
    /// Nothing written waits in the transport itself.
    flushed: bool,
    /// What came of a write beside the driver, which has not heard of it yet.
    failed: Option<io::Error>,
}

impl Wire {
    pub(super) fn new(stream: Transport) -> Self {
        Self { stream, output: Vec::new(), written: 0, flushed: true, failed: None }
    }

    /// Whether nothing is on its way, nor went wrong on it.
    pub(super) fn is_clear(&self) -> bool {
        self.flushed && self.written == self.output.len() && self.failed.is_none()
    }

    /// If all output was written, takes what the session has.
    pub(super) fn refill(&mut self, state: &mut State, shared: &Shared) {
        if self.written < self.output.len() {
            return;
        }
        self.output.clear();
        self.written = 0;
        if state.session.take_output(&mut self.output) {
            state.is_stalled = false;
            if std::mem::take(&mut state.is_room_awaited) {
                shared.room.notify_waiters();
            }
        } else if self.output.capacity() > KEPT_OUTPUT {
            self.output = Vec::new();
        }
    }

    /// Writes what there is, up to where the transport takes no more.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.flushed = false;
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    /// The same for others than the driver, which has to be woken for what is left. Answers
    /// whether nothing is.
    pub(super) fn write_beside_driver(&mut self) -> bool {
        match self.write(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => return true,
            Poll::Ready(Err(error)) => self.failed = Some(error),
            Poll::Pending => {}
        }
        false
    }

    /// Bytes of the present output that the transport has taken.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// What is not wholly on the wire, from the beginning of an operation on, and
    /// whether a part of that one is.
    pub(super) fn unwritten(&self) -> (&[u8], bool) {
        let first = first_unwritten(&self.output, self.written);
        (self.output.get(first..).unwrap_or_default(), first < self.written)
    }

    /// Puts this behind what is still to be written.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        poll_read_buf(Pin::new(&mut self.stream), cx, input)
    }

    pub(super) fn shut_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::{Client, ConnectionOptions};
    use crate::protocol::{SessionError, Subject};
    use crate::time::ManualClock;

    #[tokio::test]
    async fn those_who_wait_for_room_are_told_once_there_is_some() {
        // It stands still, so nobody's patience ends.
        let clock = ManualClock::new(Duration::ZERO);
        let _in_effect = clock.enter();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap().to_string().parse().unwrap();
        let accept = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"INFO {\"max_payload\":1048576}\r\n").await.unwrap();
            let mut introduction = Vec::new();
            while !introduction.ends_with(b"PING\r\n") {
                stream.read_buf(&mut introduction).await.unwrap();
            }
            stream.write_all(b"PONG\r\n").await.unwrap();
            stream
        };
        let connect = Client::connect(ConnectionOptions::new(vec![server], "test"));
        let (mut stream, client) = tokio::join!(accept, connect);
        let client = client.unwrap();

        let subject = Subject::new("a").unwrap();
        let publish = || client.offer(subject, None, b"", &[0; 64 << 10]);
        loop {
            match publish() {
                Ok(()) => tokio::task::yield_now().await,
                Err(SessionError::BufferFull { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let take = async {
            let mut taken = vec![0; 64 << 10];
            while stream.read(&mut taken).await.unwrap() > 0 {}
        };
        let has_room = tokio::time::timeout(Duration::from_secs(20), async {
            tokio::select! {
                biased;
                has_room = client.room() => has_room,
                () = take => false,
            }
        });
        assert_eq!(has_room.await, Ok(true));
        assert!(publish().is_ok());
    }
}
