//! The handle of a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::driver::Driver;
use super::error::{ClientError, ConnectError};
use super::options::ConnectionOptions;
use super::receiver::Receiver;
use super::shared::{ConnectionStatus, Route, Shared};
use super::tenant::Tenant;
use crate::protocol::{
    QueueGroup, RequestId, RequestOptions, ServerInfo, SessionError, Sid, State, Statistics,
    Subject, SubjectPattern,
};
use crate::time;

/// Who waits for output to leave does not wait longer: what is published then may
/// wait in memory, up to the bound.
const STALL: Duration = Duration::from_millis(50);

/// Why a connection ended that was closed.
pub(super) const CLOSED_BY_OWNER: &str = "closed by its owner";

/// A connection to NATS that keeps itself up. Cheap to clone; all clones are the
/// same connection. Dropping them does not end it, [`close`](Self::close) does.
///
/// A handle made with [`tenant`](Self::tenant) is one user of a connection that
/// several share: its subscriptions, its requests and its end are its own.
#[derive(Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) tenant: Option<Arc<Tenant>>,
}

impl Client {
    /// Connects, waits until a server has accepted, and drives the connection on
    /// the current Tokio runtime from then on.
    ///
    /// # Errors
    /// If no server accepts: each was tried once.
    pub async fn connect(options: ConnectionOptions) -> Result<Self, ConnectError> {
        let shared = Arc::new(Shared::new(options));
        let (driver, link) = Driver::connect(Arc::clone(&shared)).await?;
        tokio::spawn(driver.run(Box::new(link)));
        Ok(Self { shared, tenant: None })
    }

    /// The name that the server knows it by.
    pub fn name(&self) -> &str {
        &self.shared.options.name
    }

    /// `host:port` of the server in use, or used last.
    pub fn server(&self) -> String {
        self.shared.lock().server.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// What the server last told of itself.
    pub fn server_info(&self) -> Option<Arc<ServerInfo>> {
        self.shared.lock().session.info().cloned()
    }

    /// How the connection stands.
    pub fn status(&self) -> ConnectionStatus {
        let status = self.shared.lock().status;
        self.tenant.as_ref().map_or(status, |tenant| tenant.status(status))
    }

    /// Whether it takes no more work.
    pub(crate) fn is_closed(&self) -> bool {
        self.check_open().is_err() || self.shared.lock().session.state() == State::Closed
    }

    /// Counters since the connection was made.
    pub fn statistics(&self) -> Statistics {
        self.shared.lock().session.statistics()
    }

    /// Messages so far that their receivers had no room for.
    pub fn dropped_messages(&self) -> u64 {
        self.shared.lock().dropped_messages
    }

    /// Subscriptions that the server holds for this connection.
    pub fn subscription_count(&self) -> usize {
        match &self.tenant {
            None => self.shared.lock().session.subscription_count(),
            Some(_) => self.count(&self.shared.lock().subscriptions),
        }
    }

    /// Subject and queue group of each, whoever of several users it belongs to.
    pub(crate) fn subscriptions(&self) -> Vec<(String, Option<String>)> {
        let state = self.shared.lock();
        let names = state.session.subscriptions().into_iter();
        names.map(|(subject, group)| (subject.to_owned(), group.map(str::to_owned))).collect()
    }

    /// Whether a request waits for what is published to this subject.
    pub(crate) fn awaits_answer_at(&self, subject: &str) -> bool {
        self.shared.lock().session.awaits_answer_at(subject)
    }

    /// Requests that wait for an answer.
    pub fn requests_in_flight(&self) -> usize {
        match &self.tenant {
            None => self.shared.lock().session.requests_in_flight(),
            Some(_) => self.count(&self.shared.lock().requests),
        }
    }

    /// A subject that no one else has.
    pub fn new_inbox(&self) -> String {
        match &self.tenant {
            None => self.shared.lock().session.new_inbox(),
            Some(tenant) => format!("{}{}", self.inboxes(), tenant.next_inbox()),
        }
    }

    /// Puts a message behind those published before. It leaves when the driver
    /// runs next.
    ///
    /// # Errors
    /// `BufferFull` if too much waits already; see [`room`](Self::room). The
    /// others say that this message can't be sent at all.
    pub fn publish(
        &self,
        subject: Subject<'_>,
        reply_to: Option<Subject<'_>>,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.publish_together(|together| together.publish(subject, reply_to, headers, payload))
    }

    /// The same for those who can [wait](Self::room).
    ///
    /// # Errors
    /// As for [`publish`](Self::publish), but `BufferFull` much earlier while a server
    /// takes what is published: short buffers are faster.
    #[inline]
    pub fn offer(
        &self,
        subject: Subject<'_>,
        reply_to: Option<Subject<'_>>,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.publish_together(|together| together.offer(subject, reply_to, headers, payload))
    }

    /// Waits until output has left, or does not seem to for now; false if the
    /// connection does not stand, so that nothing will leave.
    pub async fn room(&self) -> bool {
        let left = self.shared.room.notified();
        tokio::pin!(left);
        left.as_mut().enable();
        let is_stalled = {
            let mut state = self.shared.lock();
            if !state.is_connected() {
                return false;
            }
            // It may have left before anybody listened.
            if state.session.output_len() == 0 {
                return true;
            }
            state.is_room_awaited = true;
            state.is_stalled
        };
        if is_stalled {
            left.await;
        } else if time::timeout(STALL, left).await.is_err() {
            self.shared.lock().is_stalled = true;
        }
        self.shared.lock().is_connected()
    }

    /// Subscribes; messages go to the receiver, under the token.
    ///
    /// # Errors
    /// If the connection is closed or draining.
    pub fn subscribe(
        &self,
        pattern: SubjectPattern<'_>,
        queue: Option<QueueGroup<'_>>,
        receiver: Arc<dyn Receiver>,
        token: u64,
    ) -> Result<Sid, SessionError> {
        self.check_open()?;
        let tenant = self.check_serving()?;
        self.shared.command(|state| {
            let sid = state.session.subscribe(pattern, queue)?;
            state.subscriptions.insert(sid, Route { receiver, token, tenant });
            Ok(sid)
        })
    }

    /// Ends a subscription: now, or after `max` deliveries since it began.
    /// Answers whether it has ended with this call.
    ///
    /// # Errors
    /// If there is no such subscription.
    pub fn unsubscribe(&self, sid: Sid, max: Option<u64>) -> Result<bool, SessionError> {
        self.shared.command(|state| {
            let ended = state.session.unsubscribe(sid, max)?;
            if ended {
                state.subscriptions.remove(&sid);
                self.shared.note_unsubscribed(state);
            }
            Ok(ended)
        })
    }

    /// Ends a subscription at the server; its receiver is told once everything
    /// that the server had sent before has been handed over.
    ///
    /// # Errors
    /// If there is no such subscription.
    pub fn drain_subscription(&self, sid: Sid) -> Result<(), SessionError> {
        self.shared.command(|state| state.session.drain_subscription(time::now(), sid))
    }

    /// Sends a request; what comes of it goes to the receiver, under the token.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub fn request(
        &self,
        subject: Subject<'_>,
        headers: &[u8],
        payload: &[u8],
        options: &RequestOptions,
        receiver: Arc<dyn Receiver>,
        token: u64,
    ) -> Result<RequestId, SessionError> {
        self.publish_together(|together| {
            together.request(subject, headers, payload, options, receiver, token)
        })
    }

    /// Forgets a request: nothing more comes of it.
    pub fn cancel_request(&self, id: RequestId) {
        let mut state = self.shared.lock();
        state.session.cancel_request(id);
        state.requests.remove(&id);
    }

    /// Waits until the server has taken everything published before.
    ///
    /// # Errors
    /// If it does not answer in time, or the connection breaks.
    pub async fn flush(&self, timeout: Duration) -> Result<(), ClientError> {
        self.rtt(timeout).await.map(drop)
    }

    /// Time of one PING and its PONG.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush).
    pub async fn rtt(&self, timeout: Duration) -> Result<Duration, ClientError> {
        let pong = self.ping()?;
        match time::timeout(timeout, pong).await {
            Ok(Ok(rtt)) => Ok(rtt),
            Ok(Err(_)) => Err(ClientError::ConnectionLost),
            Err(_) => Err(ClientError::Timeout(timeout)),
        }
    }

    pub(super) fn ping(&self) -> Result<oneshot::Receiver<Duration>, ClientError> {
        self.check_open()?;
        self.shared.command(|state| match state.status {
            ConnectionStatus::Closed => Err(SessionError::Closed.into()),
            ConnectionStatus::Reconnecting => Err(ClientError::ConnectionLost),
            ConnectionStatus::Connected | ConnectionStatus::Draining => {
                let (pong, waiter) = oneshot::channel();
                let id = state.session.ping(time::now())?;
                state.pings.insert(id, pong);
                Ok(waiter)
            }
        })
    }

    /// Ends all subscriptions at the server and waits, bounded by `timeout`, until
    /// everything that it had sent before has been handed over. Requests go on.
    pub async fn end_subscriptions(&self, timeout: Duration) {
        self.drain_subscriptions();
        let ended = async {
            loop {
                let changed = self.shared.unsubscribed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.own_subscriptions(&self.shared.lock()).is_empty() {
                    return;
                }
                changed.await;
            }
        };
        // Those that have not ended in time do with the connection.
        let _ = time::timeout(timeout, ended).await;
    }

    /// Ends all subscriptions at the server. The listener is told `Drained` once
    /// everything that the server had sent before has been handed over.
    /// Publishing goes on working until [`close`](Self::close).
    pub fn drain(&self) {
        if let Some(tenant) = &self.tenant {
            return self.drain_tenant(tenant);
        }
        self.shared.command(|state| {
            if state.status != ConnectionStatus::Closed {
                state.status = ConnectionStatus::Draining;
                state.session.drain(time::now());
            }
        });
    }

    /// Takes no more work from this call on; the future waits, bounded by
    /// `timeout`, until the server has taken what was published, and ends the
    /// connection.
    pub fn close(&self, timeout: Duration) -> impl Future<Output = ()> + Send + use<> {
        let pong = self.ping();
        let (shared, client) = (Arc::clone(&self.shared), self.clone());
        match &self.tenant {
            None => shared.command(|state| state.session.close()),
            Some(tenant) => tenant.close(),
        }
        async move {
            if let Ok(pong) = pong {
                // Whatever comes of it, the connection ends.
                let _ = time::timeout(timeout, pong).await;
            }
            match &client.tenant {
                None => shared.finish(CLOSED_BY_OWNER),
                Some(tenant) => client.leave(tenant),
            }
        }
    }
}
