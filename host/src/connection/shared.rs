//! What the handles of a connection and its driver share: the session behind a
//! lock, and where its events go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use bytes::BytesMut;
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, oneshot};

use super::address::ServerAddress;
use super::arrivals::Arrivals;
use super::options::ConnectionOptions;
use super::receiver::{ConnectionEvent, Receiver};
use super::tenant::Tenant;
use super::wire::Wire;
use crate::protocol::{
    self, DecodeError, EndReason, Event, Message, PingId, RequestError, RequestId, Retired,
    ServerError, Session, SessionConfig, Sid,
};
use crate::time;

/// Of more than this, in bytes, a turn of the driver costs next to nothing.
const LITTLE_OUTPUT: usize = 16 * 1024;

/// One connection's common state.
pub(super) struct Shared {
    pub(super) options: ConnectionOptions,
    state: Mutex<State>,
    /// Wakes the driver: there is something to write, or an earlier deadline.
    pub(super) driver: AtomicWaker,
    /// Those who share the connection.
    pub(super) tenants: Mutex<Tenants>,
    /// Signalled when output has been taken away, and when the connection breaks.
    pub(super) room: Notify,
    /// Signalled when the last subscription has ended, or any where several share
    /// the connection.
    pub(super) unsubscribed: Notify,
    /// Signalled once, when the connection is to end.
    pub(super) finished: Notify,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// A server has accepted it.
    Connected,
    /// It is looking for a server.
    Reconnecting,
    /// It is being drained and takes no new subscriptions.
    Draining,
    /// It has ended for good.
    Closed,
}

/// How what is published gets on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// With what others publish before the driver runs next.
    Soon,
    /// From here, since whoever publishes is about to wait: a turn of the driver's for
    /// little output would cost more than the rest.
    AtOnce,
}

pub(super) struct State {
    pub(super) session: Session,
    /// Where output goes, while a transport takes it.
    pub(super) wire: Option<Arc<Mutex<Wire>>>,
    pub(super) status: ConnectionStatus,
    /// The server in use, or the one used last.
    pub(super) server: Option<ServerAddress>,
    /// What the server said before it hung up.
    pub(super) last_error: Option<ServerError>,
    /// Why the connection is to end.
    pub(super) end: Option<String>,
    /// The server has taken nothing for a while though much waits.
    pub(super) is_stalled: bool,
    /// Somebody waits until output has been taken away.
    pub(super) is_room_awaited: bool,
    /// The server is about to shut down, and nobody has looked for another yet.
    pub(super) leaves: bool,
    /// When the driver's clock wakes it at the latest; none: it is not set.
    pub(super) rings_at: Option<Instant>,
    pub(super) subscriptions: FxHashMap<Sid, Route>,
    pub(super) requests: FxHashMap<RequestId, Route>,
    pub(super) pings: FxHashMap<PingId, oneshot::Sender<Duration>>,
    /// A receiver that has more than it should.
    behind: Option<Arc<dyn Receiver>>,
    /// Messages that receivers had no room for.
    pub(super) dropped_messages: u64,
}

impl State {
    /// Whether a server takes what is published.
    pub(super) fn is_connected(&self) -> bool {
        self.session.state() == protocol::State::Connected
    }

    /// Whether something is due before the driver's clock wakes it.
    pub(super) fn is_due_early(&self) -> bool {
        let due = self.session.poll_timeout();
        due.is_some_and(|due| self.rings_at.is_none_or(|at| due < at))
    }
}

/// Who gets what arrives, and under which number they know it.
pub(super) struct Route {
    pub(super) receiver: Arc<dyn Receiver>,
    pub(super) token: u64,
    /// Whose it is: a tenant's, or 0.
    pub(super) tenant: u32,
}

/// Those who share a connection, and how many there have been.
#[derive(Default)]
pub(super) struct Tenants {
    pub(super) all: Vec<Arc<Tenant>>,
    pub(super) last_id: u32,
    /// The last one has left, and the connection ends.
    pub(super) have_left: bool,
}

impl Shared {
    pub(super) fn new(options: ConnectionOptions) -> Self {
        let session = new_session(&options);
        Self {
            options,
            state: Mutex::new(State {
                session,
                wire: None,
                status: ConnectionStatus::Reconnecting,
                server: None,
                last_error: None,
                end: None,
                is_stalled: false,
                is_room_awaited: false,
                leaves: false,
                rings_at: None,
                subscriptions: FxHashMap::default(),
                requests: FxHashMap::default(),
                pings: FxHashMap::default(),
                behind: None,
                dropped_messages: 0,
            }),
            driver: AtomicWaker::new(),
            tenants: Mutex::default(),
            room: Notify::new(),
            unsubscribed: Notify::new(),
            finished: Notify::new(),
        }
    }

    /// Takes the session out of a connection that served only for a handshake.
    pub(super) fn take_session(&self) -> Session {
        std::mem::replace(&mut self.lock().session, new_session(&self.options))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Runs a command on the session and wakes the driver if it now has something
    /// to do where it had nothing: so that what one callback publishes leaves in
    /// one write.
    pub(super) fn command<R>(&self, run: impl FnOnce(&mut State) -> R) -> R {
        self.command_and(|state| (run(state), Departure::Soon))
    }

    /// The same, where the command says how what it publishes is to leave.
    pub(super) fn command_and<R>(&self, run: impl FnOnce(&mut State) -> (R, Departure)) -> R {
        let mut state = self.lock();
        let idle = state.session.output_len() == 0;
        let (result, departure) = run(&mut state);
        let wake = (idle && state.session.output_len() > 0) || state.session.has_events();
        let is_done = if wake && departure == Departure::AtOnce {
            self.write_at_once(state)
        } else {
            // A driver on another thread is not to wake into the lock.
            drop(state);
            !wake
        };
        if !is_done {
            self.driver.wake();
        }
        result
    }

    /// Does the driver's work of writing, if nothing else is on its way; false: something
    /// is left for the driver.
    fn write_at_once(&self, mut state: MutexGuard<'_, State>) -> bool {
        let is_little = state.session.output_len() <= LITTLE_OUTPUT;
        let Some(wire) = state.wire.clone().filter(|_| is_little) else { return false };
        let Some(mut wire) = wire.try_lock().filter(|wire| wire.is_clear()) else { return false };
        wire.refill(&mut state, self);
        let is_all = state.session.output_len() == 0 && !state.session.has_events();
        drop(state);
        wire.write_beside_driver() && is_all
    }

    /// Feeds the session and hands out what it makes of the input. Answers a
    /// receiver that has more than it should, if there is one.
    pub(super) fn input(
        &self,
        now: Instant,
        input: &mut BytesMut,
    ) -> Result<Option<Arc<dyn Receiver>>, Interruption> {
        let mut state = self.lock();
        loop {
            let more = state.session.handle_input(now, input).map_err(Interruption::Malformed)?;
            self.deliver(&mut state)?;
            if !more {
                return Ok(state.behind.take());
            }
        }
    }

    /// Hands out everything the session has to tell.
    pub(super) fn deliver(&self, state: &mut State) -> Result<(), Interruption> {
        while let Some(event) = state.session.poll_event() {
            self.route(state, event)?;
        }
        Ok(())
    }

    pub(super) fn route(&self, state: &mut State, event: Event) -> Result<(), Interruption> {
        match event {
            Event::Message { sid, message, last } => self.hand_over(state, sid, message, last),
            Event::Reply { id, answer, last } => {
                if let Some(route) = state.requests.get(&id) {
                    route.receiver.reply(route.token, answer, last);
                }
                if last {
                    state.requests.remove(&id);
                }
            }
            Event::Pong { id, rtt } => {
                if let Some(waiter) = state.pings.remove(&id) {
                    // The waiter may have given up in the meantime.
                    let _ = waiter.send(rtt);
                }
            }
            Event::PingLost { id } => {
                state.pings.remove(&id);
            }
            Event::SubscriptionEnded { sid, reason } => {
                if let Some(route) = state.subscriptions.remove(&sid) {
                    route.receiver.subscription_ended(route.token, reason);
                }
                self.note_unsubscribed(state);
            }
            Event::Stale => return Err(Interruption::Stale),
            Event::ServerError(error) => {
                let error = *error;
                if error.closes_connection() {
                    state.last_error = Some(error.clone());
                }
                self.tell(&ConnectionEvent::ServerError(error));
            }
            Event::PublishRefused { subject, text } => {
                self.tell_of_refusal(&subject, text);
            }
            Event::LameDuck => {
                state.leaves = true;
                self.tell(&ConnectionEvent::LameDuck);
            }
            Event::Discovered(servers) => self.tell(&ConnectionEvent::Discovered(servers)),
            Event::Drained => self.tell(&ConnectionEvent::Drained),
            Event::Info(_) | Event::Connected => {}
        }
        Ok(())
    }

    /// Hands over a message, and those behind it for the same receiver.
    fn hand_over(&self, state: &mut State, sid: Sid, message: Message, last: bool) {
        let State { session, subscriptions, behind, dropped_messages, .. } = state;
        let Some(route) = subscriptions.get(&sid) else { return };
        let mut arrivals = Arrivals::new((sid, route), message, last, session, subscriptions);
        let reception = route.receiver.messages(&mut arrivals);
        let ended = arrivals.ended();
        // Of several users, one who is behind must not make the others wait.
        if reception.is_behind && route.tenant == 0 {
            behind.get_or_insert_with(|| Arc::clone(&route.receiver));
        }
        *dropped_messages += reception.dropped;
        if let Some(sid) = ended {
            subscriptions.remove(&sid);
            self.note_unsubscribed(state);
        }
    }

    /// To be called when a subscription is gone.
    pub(super) fn note_unsubscribed(&self, state: &State) {
        // One of several users waits for its own only.
        if state.subscriptions.is_empty() || !self.tenants.lock().all.is_empty() {
            self.unsubscribed.notify_waiters();
        }
    }

    pub(super) fn tell(&self, event: &ConnectionEvent) {
        if let Some(listener) = &self.options.listener {
            listener.event(event);
        }
        for tenant in &self.tenants.lock().all {
            tenant.tell(event);
        }
    }

    /// Of a publish that was refused, those users hear who may have made it.
    fn tell_of_refusal(&self, subject: &str, text: String) {
        let event = ConnectionEvent::PublishRefused { subject: subject.to_owned(), text };
        let culprits: Vec<_> = {
            let tenants = self.tenants.lock();
            let all = tenants.all.iter().filter(|tenant| tenant.has_published(subject));
            all.cloned().collect()
        };
        if culprits.is_empty() {
            return self.tell(&event);
        }
        for tenant in culprits {
            tenant.tell(&event);
        }
    }

    /// The transport is gone: what was not written is kept for the next one.
    pub(super) fn lost(&self, reason: &str, unwritten: &[u8], cut: bool) {
        let mut state = self.lock();
        if state.status == ConnectionStatus::Connected {
            state.status = ConnectionStatus::Reconnecting;
        }
        let reason = match &state.server {
            Some(server) => format!("{server}: {reason}"),
            None => reason.to_owned(),
        };
        tracing::debug!(name = self.options.name, reason, "disconnected");
        state.session.handle_closed(time::now(), unwritten, cut);
        // Nothing that can still arrive here interrupts a transport.
        let _ = self.deliver(&mut state);
        drop(state);
        self.room.notify_waiters();
        self.tell(&ConnectionEvent::Disconnected(reason));
    }

    /// Asks the driver to end the connection. The first reason counts.
    pub(super) fn finish(&self, reason: &str) {
        self.lock().end.get_or_insert_with(|| reason.to_owned());
        self.finished.notify_one();
        self.driver.wake();
    }

    /// Another server, which has accepted `session`, takes over from the present
    /// one. The receiver hears of it once that has all subscriptions.
    pub(super) fn replace(
        &self,
        server: &ServerAddress,
        session: Session,
        unwritten: &mut Vec<u8>,
    ) -> (Retired, oneshot::Receiver<Duration>) {
        let mut state = self.lock();
        let now = time::now();
        let retired = state.session.handle_replaced(now, session, unwritten);
        let (pong, settled) = oneshot::channel();
        // Nothing waits at a new server that could be too much.
        if let Ok(ping) = state.session.ping(now) {
            state.pings.insert(ping, pong);
        }
        state.server = Some(server.clone());
        // Nothing of a move interrupts a transport.
        let _ = self.deliver(&mut state);
        drop(state);
        self.tell(&ConnectionEvent::Reconnected(server.to_string()));
        (retired, settled)
    }

    /// The end: nothing waits any more, and everybody knows.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.status = ConnectionStatus::Closed;
        state.session.close();
        state.session.handle_closed(time::now(), &[], false);
        let _ = self.deliver(&mut state);
        for (_, route) in std::mem::take(&mut state.requests) {
            route.receiver.reply(route.token, Err(RequestError::Closed), true);
        }
        for (_, route) in std::mem::take(&mut state.subscriptions) {
            route.receiver.subscription_ended(route.token, EndReason::Closed);
        }
        self.note_unsubscribed(&state);
        state.pings.clear();
        let reason = state.end.clone().unwrap_or_default();
        drop(state);
        self.room.notify_waiters();
        self.tell(&ConnectionEvent::Closed(reason));
    }
}

fn new_session(options: &ConnectionOptions) -> Session {
    Session::new(SessionConfig {
        inbox_prefix: options.inbox_prefix.clone(),
        ping_interval: options.ping_interval,
        max_pings_out: options.max_pings_out,
        max_pending_bytes: options.max_pending_bytes,
        max_pending_messages: options.max_pending_messages,
    })
}

/// Why a transport must be given up.
#[derive(Debug)]
pub(super) enum Interruption {
    /// The server sent what can't be understood.
    Malformed(DecodeError),
    /// The server does not answer any more.
    Stale,
}
