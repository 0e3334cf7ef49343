//! One transport, from the end of its handshake to its end.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use parking_lot::Mutex;

use super::back_pressure::BackPressure;
use super::block;
use super::clock::Clock;
use super::patience::Patience;
use super::shared::{Interruption, Shared};
use super::transport::Transport;
use super::wire::Wire;
use crate::protocol::Retired;
use crate::time;

/// How long what is left may take to be written when the connection ends.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// How long a server that was replaced may take to say what it had to say.
const FAREWELL: Duration = Duration::from_secs(10);

/// A transport over which a server has accepted the connection.
pub(super) struct Link {
    wire: Arc<Mutex<Wire>>,
    intake: Intake,
    patience: Patience,
    clock: Clock,
    since: Instant,
}

/// What takes in what the server sends.
struct Intake {
    input: BytesMut,
    back_pressure: BackPressure,
}

/// While it lives, whoever publishes may write to the wire.
struct InUse<'a> {
    shared: &'a Shared,
}

impl<'a> InUse<'a> {
    fn begin(shared: &'a Shared, wire: &Arc<Mutex<Wire>>) -> Self {
        shared.lock().wire = Some(Arc::clone(wire));
        Self { shared }
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.shared.lock().wire = None;
    }
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
            wire: Arc::new(Mutex::new(Wire::new(stream))),
            intake: Intake { input, back_pressure: BackPressure::new() },
            patience: Patience::default(),
            clock: Clock::new(),
            since: time::now(),
        }
    }

    /// How long ago the server accepted.
    pub(super) fn age(&self) -> Duration {
        time::since(self.since)
    }

    /// Moves bytes in both directions until the link is over.
    pub(super) async fn run(&mut self, shared: &Shared) -> End {
        let in_use = InUse::begin(shared, &self.wire);
        let end = poll_fn(|cx| {
            shared.driver.register(cx.waker());
            match self.step(cx, shared) {
                Ok(None) => Poll::Pending,
                Ok(Some(end)) => Poll::Ready(end),
                Err(reason) => Poll::Ready(End::Lost(reason)),
            }
        })
        .await;
        drop(in_use);
        if matches!(end, End::Finished) {
            // What is left does not matter more than ending in time.
            let _ = time::timeout(LAST_WRITE, self.write_rest(shared)).await;
        }
        end
    }

    /// The connection is without a transport: what was not written is kept for the next one.
    pub(super) fn lose(&self, shared: &Shared, reason: &str) {
        let wire = self.wire.lock();
        let (unwritten, cut) = wire.unwritten();
        shared.lost(reason, unwritten, cut);
    }

    /// One round: read a block, hand out what it holds, write what there is to
    /// write, arm the timer. Answers why the link is over, if it is.
    fn step(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Result<Option<End>, String> {
        let mut wire = self.wire.lock();
        self.intake.read(cx, &mut wire, shared)?;
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
            wire.refill(&mut state, shared);
            drop(state);
            if wire.is_clear() {
                self.patience.rest();
                return Ok(None);
            }
            let before = wire.written();
            match wire.write(cx) {
                Poll::Pending if wire.written() > before => self.patience.rest(),
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

    /// Hands out what a server that another one has replaced still says; once the
    /// change is `settled`, takes leave of it.
    pub(super) async fn retire(
        mut self,
        shared: &Shared,
        unwritten: &[u8],
        mut retired: Retired,
        settled: impl Future<Output = ()>,
    ) {
        self.wire.lock().append(unwritten);
        let is_over = tokio::select! {
            _ = self.hear_out(shared, &mut retired) => true,
            () = settled => false,
        };
        if !is_over {
            self.wire.lock().append(&retired.take_farewell());
            // What does not come in time, or at all, is lost with the server.
            let _ = time::timeout(FAREWELL, self.hear_out(shared, &mut retired)).await;
        }
        let mut state = shared.lock();
        state.session.handle_retired_closed(retired);
        let _ = shared.deliver(&mut state);
    }

    async fn hear_out(&mut self, shared: &Shared, retired: &mut Retired) -> io::Result<()> {
        poll_fn(|cx| self.wire.lock().write(cx)).await?;
        loop {
            if self.intake.hear(shared, retired) {
                return self.shut_down().await;
            }
            let input = &mut self.intake.input;
            block::provide(input);
            if poll_fn(|cx| self.wire.lock().read(cx, input)).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn write_rest(&mut self, shared: &Shared) -> io::Result<()> {
        poll_fn(|cx| {
            let mut wire = self.wire.lock();
            loop {
                ready!(wire.write(cx))?;
                wire.refill(&mut shared.lock(), shared);
                if wire.is_clear() {
                    return Poll::Ready(io::Result::Ok(()));
                }
            }
        })
        .await?;
        self.shut_down().await
    }

    async fn shut_down(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.wire.lock().shut_down(cx)).await
    }
}

impl Intake {
    /// Reads at most one block, so that those it wakes get their turn.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
        shared: &Shared,
    ) -> Result<(), String> {
        let outcome = self.read_block(cx, wire, shared);
        block::give_back(&mut self.input);
        outcome
    }

    fn read_block(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire,
        shared: &Shared,
    ) -> Result<(), String> {
        loop {
            if self.back_pressure.holds(cx) {
                return Ok(());
            }
            block::provide(&mut self.input);
            let room = self.input.capacity() - self.input.len();
            let count = match wire.read(cx, &mut self.input) {
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

    /// Hands out what has come; true: there will be no more.
    fn hear(&mut self, shared: &Shared, retired: &mut Retired) -> bool {
        let mut state = shared.lock();
        let said = state.session.handle_retired_input(time::now(), retired, &mut self.input);
        let is_over = shared.deliver(&mut state).is_err() || said.unwrap_or(true);
        drop(state);
        // The server in use may have to be told of it.
        shared.driver.wake();
        is_over
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
