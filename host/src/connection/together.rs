//! Publishing messages, and sending requests, many in one go.

use std::sync::Arc;
use std::time::Instant;

use super::client::Client;
use super::receiver::Receiver;
use super::shared::{Departure, Route, State};
use crate::protocol::{RequestId, RequestOptions, SessionError, Subject};
use crate::time;

/// So much at once is what a server is best given: with less it is woken more often,
/// and more is out of the processor's caches by the time it is sent.
const GOOD_OUTPUT: usize = 512 * 1024;

impl Client {
    /// Publishes messages that go out in one piece, which costs less than one call for
    /// each.
    ///
    /// The connection's lock is held meanwhile: `publish` must not call the connection
    /// but through what it is given, and must not wait.
    pub fn publish_together<R>(&self, publish: impl FnOnce(&mut Together<'_>) -> R) -> R {
        let mut is_due_early = false;
        let result = self.shared.command_and(|state| {
            let mut together =
                Together { client: self, state, departure: Departure::Soon, now: None };
            let result = publish(&mut together);
            let Together { departure, now, .. } = together;
            is_due_early = now.is_some() && state.is_due_early();
            (result, departure)
        });
        if is_due_early {
            self.shared.driver.wake();
        }
        result
    }

    /// Whether [`offer`](Self::offer) would take messages of so many bytes in all.
    ///
    /// # Errors
    /// `BufferFull` if not.
    pub(crate) fn check_room(&self, size: usize) -> Result<(), SessionError> {
        let state = self.shared.lock();
        check_good_output(&state)?;
        state.session.check_room(size)
    }
}

/// Messages that are published in one go, by [`Client::publish_together`].
pub struct Together<'a> {
    client: &'a Client,
    state: &'a mut State,
    departure: Departure,
    /// When the first request was sent; the others are as good as sent then, too.
    now: Option<Instant>,
}

impl Together<'_> {
    /// They get on their way like this, unless some have to wait.
    pub(crate) fn leave(&mut self, departure: Departure) {
        self.departure = departure;
    }

    /// As [`Client::publish`].
    ///
    /// # Errors
    /// As for that.
    #[inline]
    pub fn publish(
        &mut self,
        subject: Subject<'_>,
        reply_to: Option<Subject<'_>>,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.begin(subject)?;
        self.state.session.publish(subject, reply_to, headers, payload)
    }

    /// As [`Client::offer`].
    ///
    /// # Errors
    /// As for that.
    #[inline]
    pub fn offer(
        &mut self,
        subject: Subject<'_>,
        reply_to: Option<Subject<'_>>,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), SessionError> {
        check_good_output(self.state)?;
        self.publish(subject, reply_to, headers, payload)
    }

    /// Puts a message, which there was [room](Client::check_room) for, behind those
    /// published before.
    ///
    /// # Errors
    /// If this message can't be sent at all.
    #[inline]
    pub(crate) fn publish_promised(
        &mut self,
        subject: Subject<'_>,
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.begin(subject)?;
        self.state.session.publish_promised(subject, payload)
    }

    /// As [`Client::request`].
    ///
    /// # Errors
    /// As for that.
    pub fn request(
        &mut self,
        subject: Subject<'_>,
        headers: &[u8],
        payload: &[u8],
        options: &RequestOptions,
        receiver: Arc<dyn Receiver>,
        token: u64,
    ) -> Result<RequestId, SessionError> {
        self.begin(subject)?;
        let now = *self.now.get_or_insert_with(time::now);
        let id = self.state.session.request(now, subject, headers, payload, options)?;
        let tenant = self.client.tenant_id();
        self.state.requests.insert(id, Route { receiver, token, tenant });
        Ok(id)
    }

    /// What each message begins with.
    #[inline]
    fn begin(&self, subject: Subject<'_>) -> Result<(), SessionError> {
        self.client.check_open()?;
        self.client.note_published(subject);
        Ok(())
    }
}

fn check_good_output(state: &State) -> Result<(), SessionError> {
    let waiting = state.session.output_len();
    if waiting >= GOOD_OUTPUT && !state.is_stalled && state.is_connected() {
        return Err(SessionError::BufferFull { waiting, limit: GOOD_OUTPUT });
    }
    Ok(())
}
