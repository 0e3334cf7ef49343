//! Answers to an instance's requests.

use super::{Delivery, Mailbox};
use crate::connection::Answer;
use crate::protocol::Message;

impl Mailbox {
    /// Puts an answer to a request before the messages that wait. Of many answers,
    /// so many bytes may wait; the last one always fits, since it is waited for.
    ///
    /// # Errors
    /// If it does not fit and is dropped: with the bytes that wait, and with it.
    pub(in crate::plugin) fn push_reply(
        &self,
        client: u32,
        id: u64,
        answer: Answer,
        last: bool,
        max_bytes: usize,
    ) -> Result<(), (usize, usize)> {
        let size = answer_size(&answer);
        let mut inner = self.inner.lock();
        let (current, desired) = (inner.answer_bytes, inner.answer_bytes.saturating_add(size));
        if last {
            inner.requests = inner.requests.saturating_sub(1);
        } else if desired > max_bytes || inner.urgent.len() >= self.most.messages {
            return Err((current, desired));
        }
        let was_idle = inner.is_idle();
        inner.answer_bytes = desired;
        inner.urgent.push_back(Delivery::Reply { client, id, answer, last });
        self.signal(was_idle);
        Ok(())
    }

    /// A request was sent: its answer is expected, also while stopping.
    pub(in crate::plugin) fn expect_reply(&self) {
        self.inner.lock().requests += 1;
    }

    /// The request was cancelled: what has come of it is not to be delivered.
    pub(in crate::plugin) fn forget_request(&self, request: u64) {
        let mut inner = self.inner.lock();
        let (mut ended, mut freed) = (false, 0);
        inner.urgent.retain(|delivery| match delivery {
            Delivery::Reply { id, answer, last, .. } if *id == request => {
                ended |= *last;
                freed += answer_size(answer);
                false
            }
            _ => true,
        });
        inner.answer_bytes = inner.answer_bytes.saturating_sub(freed);
        if !ended {
            inner.requests = inner.requests.saturating_sub(1);
        }
        drop(inner);
        self.waiter.wake();
    }
}

/// Its bytes.
pub(super) fn answer_size(answer: &Answer) -> usize {
    answer.as_ref().map_or(0, |message| message.as_ref().map_or(0, Message::size))
}
