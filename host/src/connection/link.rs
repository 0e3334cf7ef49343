//! One transport, from the end of its handshake to its end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::io::poll_read_buf;

use super::back_pressure::BackPressure;
use super::block;
use super::clock::Clock;
use super::patience::Patience;
use super::shared::{Interruption, Shared, State};
use super::transport::Transport;
use crate::protocol::{KEPT_OUTPUT, Retired, first_unwritten};
use crate::time;

/// How long what is left may take to be written when the connection ends.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// How long a server that was replaced may take to say what it had to say.
const FAREWELL: Duration = Duration::from_secs(10);

/// A transport over which a server has accepted the connection.
pub(super) struct Link {
    stream: Transport,
    input: BytesMut,
    output: Vec<u8>,
    written: usize,
    /// Nothing written waits in the transport itself.
    flushed: bool,
    patience: Patience,
    clock: Clock,
    back_pressure: BackPressure,
    since: Instant,
}

/// Why a link is over.
pub(super) enum End {
    /// The connection itself is to end.
    Finished,
    /// The transport broke.
    Lost(String),
    /// The server is about to shut down; the transport still stands.
    Leaving,
}

impl Link {
    pub(super) fn new(stream: Transport, input: BytesMut) -> Self {
        Self {
            stream,
            input,
            output: Vec::new(),
            written: 0,
            flushed: true,
            patience: Patience::default(),
            clock: Clock::new(),
            back_pressure: BackPressure::new(),
            since: time::now(),
        }
    }

    /// How long ago the server accepted.
    pub(super) fn age(&self) -> Duration {
        time::since(self.since)
    }

    /// Moves bytes in both directions until the link is over.
    pub(super) async fn run(&mut self, shared: &Shared) -> End {
        let end = poll_fn(|cx| {
            shared.driver.register(cx.waker());
            match self.step(cx, shared) {
                Ok(None) => Poll::Pending,
                Ok(Some(end)) => Poll::Ready(end),
                Err(reason) => Poll::Ready(End::Lost(reason)),
            }
        })
        .await;
        if matches!(end, End::Finished) {
            // What is left does not matter more than ending in time.
            let _ = time::timeout(LAST_WRITE, self.write_rest(shared)).await;
        }
        end
    }

    /// What is not wholly on the wire, from the beginning of an operation on, and
    /// whether a part of that one is.
    pub(super) fn unwritten(&self) -> (&[u8], bool) {
        let first = first_unwritten(&self.output, self.written);
        (self.output.get(first..).unwrap_or_default(), first < self.written)
    }

    /// One round: read a block, hand out what it holds, write what there is to
    /// write, arm the timer. Answers why the link is over, if it is.
    fn step(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Result<Option<End>, String> {
        self.read(cx, shared)?;
        loop {
            let mut state = shared.lock();
            if state.end.is_some() {
                return Ok(Some(End::Finished));
            }
            if std::mem::take(&mut state.leaves) {
                return Ok(Some(End::Leaving));
            }
            self.clock
                .poll(cx, &mut state, shared)
                .map_err(|interruption| describe(&interruption))?;
            if self.written == self.output.len() {
                self.refill(&mut state, shared);
            }
            drop(state);
            if self.flushed && self.written == self.output.len() {
                self.patience.rest();
                return Ok(None);
            }
            let before = self.written;
            match self.write(cx) {
                Poll::Pending if self.written > before => self.patience.rest(),
                Poll::Pending => {}
                Poll::Ready(Err(error)) => return Err(reason(shared, &format!("write: {error}"))),
                Poll::Ready(Ok(())) => continue,
            }
            let timeout = shared.options.write_timeout;
            return match self.patience.poll(cx, timeout) {
                Poll::Pending => Ok(None),
                Poll::Ready(()) => {
                    Err(reason(shared, &format!("the server took nothing for {timeout:?}")))
                }
            };
        }
    }

    /// Reads at most one block, so that those it wakes get their turn.
    fn read(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Result<(), String> {
        let outcome = self.read_block(cx, shared);
        block::give_back(&mut self.input);
        outcome
    }

    fn read_block(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Result<(), String> {
        loop {
            if self.back_pressure.holds(cx) {
                return Ok(());
            }
            block::provide(&mut self.input);
            let room = self.input.capacity() - self.input.len();
            let read = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input);
            let count = match read {
                Poll::Pending => {
                    self.back_pressure.caught_up();
                    return Ok(());
                }
                Poll::Ready(Err(error)) => return Err(reason(shared, &format!("read: {error}"))),
                Poll::Ready(Ok(0)) => {
                    return Err(reason(shared, "the server closed the connection"));
                }
                Poll::Ready(Ok(count)) => count,
            };
            let now = time::now();
            let input = shared.input(now, &mut self.input);
            if let Some(receiver) = input.map_err(|interruption| describe(&interruption))? {
                self.back_pressure.behind(now, receiver);
            }
            if count == room {
                cx.waker().wake_by_ref();
                return Ok(());
            }
        }
    }

    fn refill(&mut self, state: &mut State, shared: &Shared) {
        self.output.clear();
        self.written = 0;
        if state.session.take_output(&mut self.output) {
            state.is_stalled = false;
            shared.room.notify_waiters();
        } else if self.output.capacity() > KEPT_OUTPUT {
            self.output = Vec::new();
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Hands out what a server that another one has replaced still says; once the
    /// change is `settled`, takes leave of it.
    pub(super) async fn retire(
        mut self,
        shared: &Shared,
        unwritten: &[u8],
        mut retired: Retired,
        settled: impl Future<Output = ()>,
    ) {
        self.output.extend_from_slice(unwritten);
        let is_over = tokio::select! {
            _ = self.hear_out(shared, &mut retired) => true,
            () = settled => false,
        };
        if !is_over {
            self.output.extend_from_slice(&retired.take_farewell());
            // What does not come in time, or at all, is lost with the server.
            let _ = time::timeout(FAREWELL, self.hear_out(shared, &mut retired)).await;
        }
        let mut state = shared.lock();
        state.session.handle_retired_closed(retired);
        let _ = shared.deliver(&mut state);
    }

    async fn hear_out(&mut self, shared: &Shared, retired: &mut Retired) -> io::Result<()> {
        self.write_all().await?;
        loop {
            if self.hear(shared, retired) {
                return self.stream.shutdown().await;
            }
            block::provide(&mut self.input);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Hands out what has come; true: there will be no more.
    fn hear(&mut self, shared: &Shared, retired: &mut Retired) -> bool {
        let mut state = shared.lock();
        let said = state.session.handle_retired_input(time::now(), retired, &mut self.input);
        shared.deliver(&mut state).is_err() || said.unwrap_or(true)
    }

    async fn write_all(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.write(cx)).await
    }

    async fn write_rest(&mut self, shared: &Shared) -> io::Result<()> {
        loop {
            self.write_all().await?;
            self.refill(&mut shared.lock(), shared);
            if self.output.is_empty() {
                return self.stream.shutdown().await;
            }
        }
    }
}

/// The server's own last words explain a broken transport better than the
/// transport does.
fn reason(shared: &Shared, transport: &str) -> String {
    match shared.lock().last_error.take() {
        Some(error) => error.to_string(),
        None => transport.to_owned(),
    }
}

fn describe(interruption: &Interruption) -> String {
    match interruption {
        Interruption::Malformed(error) => format!("the server broke the protocol: {error}"),
        Interruption::Stale => "the server does not answer".to_owned(),
    }
}
