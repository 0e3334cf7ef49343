//! Publishing messages, and requests, that get on their way together.

use std::sync::Arc;

use super::client::Client;
use super::receiver::Receiver;
use super::shared::{Departure, Route, State};
use crate::protocol::{RequestId, RequestOptions, SessionError, Subject};
use crate::time;

impl Client {
    /// Publishes messages that go out in one piece.
    pub(crate) fn publish_together<R>(&self, publish: impl FnOnce(&mut Together<'_>) -> R) -> R {
        let mut is_due_early = false;
        let result = self.shared.command_and(|state| {
            let departure = Departure::Soon;
            let mut together = Together { client: self, state, departure, is_due_early };
            let result = publish(&mut together);
            is_due_early = together.is_due_early;
            (result, together.departure)
        });
        if is_due_early {
            self.shared.driver.wake();
        }
        result
    }
}

/// Messages that are published in one go, by [`Client::publish_together`].
pub(crate) struct Together<'a> {
    client: &'a Client,
    state: &'a mut State,
    departure: Departure,
    /// The driver has to set its clock.
    is_due_early: bool,
}

impl Together<'_> {
    /// They get on their way like this, unless some have to wait.
    pub(crate) fn leave(&mut self, departure: Departure) {
        self.departure = departure;
    }

    /// Puts a message, which there was [room](Client::check_room) for, behind those
    /// published before.
    ///
    /// # Errors
    /// If this message can't be sent at all.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        subject: Subject<'_>,
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.client.check_open()?;
        self.client.note_published(subject);
        self.state.session.publish_promised(subject, payload)
    }

    /// Sends a [request](Client::request).
    ///
    /// # Errors
    /// As for [`publish`](Client::publish).
    pub(crate) fn request(
        &mut self,
        subject: Subject<'_>,
        headers: &[u8],
        payload: &[u8],
        options: &RequestOptions,
        receiver: Arc<dyn Receiver>,
        token: u64,
    ) -> Result<RequestId, SessionError> {
        self.client.check_open()?;
        self.client.note_published(subject);
        let session = &mut self.state.session;
        let id = session.request(time::now(), subject, headers, payload, options)?;
        let tenant = self.client.tenant_id();
        self.state.requests.insert(id, Route { receiver, token, tenant });
        self.is_due_early |= self.state.is_due_early();
        Ok(id)
    }
}
