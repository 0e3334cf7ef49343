//! How messages get into a mailbox.

use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::{Delivery, Incoming, Inner, Load, Mailbox, Overflow};
use crate::protocol::Message;

/// Messages that came together, and maybe with others, keep one block of the
/// connection alive; so many such groups may wait as they came.
const MAX_GROUPS: u32 = 16;

/// How much of what may wait does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Level {
    /// Half of it at the most.
    Low,
    /// More.
    High,
}

/// Puts messages into a mailbox that is locked meanwhile: its instance learns of them
/// when this is dropped.
pub(in crate::plugin) struct Filling<'a> {
    mailbox: &'a Mailbox,
    inner: MutexGuard<'a, Inner>,
    was_idle: bool,
}

impl Mailbox {
    /// Takes the lock for several messages.
    pub(in crate::plugin) fn fill(&self) -> Filling<'_> {
        let inner = self.inner.lock();
        let was_idle = inner.is_idle();
        Filling { mailbox: self, inner, was_idle }
    }

    /// Puts a message at the end, if there is room for it.
    ///
    /// # Errors
    /// If there is none, and it is dropped.
    pub(in crate::plugin) fn push(&self, incoming: Incoming) -> Result<Level, Overflow> {
        self.fill().push(incoming)
    }

    /// The limit that is exceeded with a message of this size in both loads, of which
    /// one does not fit.
    #[cold]
    fn overflow(&self, load: Load, total: Load, size: usize) -> Overflow {
        let (one, all) = (self.most, self.most_in_all);
        let (limit, desired, size, maximum) = if load.messages > one.messages {
            ("pending-messages", load.messages, 1, one.messages)
        } else if load.bytes > one.bytes {
            ("pending-bytes", load.bytes, size, one.bytes)
        } else if total.messages > all.messages {
            ("instance-pending-messages", total.messages, 1, all.messages)
        } else {
            ("instance-pending-bytes", total.bytes, size, all.bytes)
        };
        Overflow { limit, current: desired.saturating_sub(size), desired, maximum }
    }
}

impl Filling<'_> {
    /// As [`Mailbox::push`].
    ///
    /// # Errors
    /// As for that.
    pub(in crate::plugin) fn push(&mut self, mut incoming: Incoming) -> Result<Level, Overflow> {
        let size = incoming.message.size();
        let (mailbox, inner) = (self.mailbox, &mut *self.inner);
        let total = inner.total.with(size);
        let load = inner.loads.of(incoming.sid).with(size);
        if !load.fits(mailbox.most) || !total.fits(mailbox.most_in_all) {
            return Err(mailbox.overflow(load, total, size));
        }
        inner.own_memory(&mut incoming.message);
        inner.loads.set(incoming.sid, load);
        inner.total = total;
        inner.ordered.push_back(Delivery::Message(incoming));
        Ok(match mailbox.is_high(load, total) {
            true => Level::High,
            false => Level::Low,
        })
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.mailbox.waiting.store(self.inner.total.messages, Ordering::Relaxed);
        if !self.inner.is_idle() {
            self.mailbox.signal(self.was_idle);
        }
    }
}

impl Inner {
    /// While the instance keeps up, what waits came in few groups. Behind those, a
    /// message gets memory of its own, so that a backlog costs what it weighs
    /// and not a block a message.
    fn own_memory(&mut self, message: &mut Message) {
        match self.ordered.back() {
            Some(Delivery::Message(last)) if self.groups <= MAX_GROUPS => {
                self.groups += u32::from(!last.message.came_with(message));
            }
            Some(_) if self.groups > MAX_GROUPS => message.compact(),
            _ => self.groups = 1,
        }
    }
}
