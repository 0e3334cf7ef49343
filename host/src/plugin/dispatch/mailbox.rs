//! What waits for one instance: messages, answers, events and timers.
//!
//! A mailbox outlives the instance it serves: when that traps, what waits is
//! for the next one. Connections put things in, from their own threads; the
//! instance takes them out. It knows nothing of wasm.

mod answers;
mod delivery;
mod filling;
mod load;
mod waiting;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use self::answers::answer_size;
pub(in crate::plugin) use self::delivery::{Delivery, Event, Incoming};
pub(in crate::plugin) use self::filling::Level;
use self::load::Loads;
pub use self::load::MailboxLimits;
pub(in crate::plugin) use self::load::{Load, Overflow};
pub(in crate::plugin) use self::waiting::Wait;
use super::timers::Timers;
use crate::connection::Backlog;

/// What may wait before the messages, if it is told of another refusal by the
/// server: a guest can have those as often as it likes.
const MAX_REFUSALS: usize = 1024;

pub(in crate::plugin) struct Mailbox {
    /// For one subscription.
    most: Load,
    /// For all.
    most_in_all: Load,
    inner: Mutex<Inner>,
    /// The number of messages in it, to be read without the lock.
    waiting: AtomicUsize,
    /// Who waits for something to take.
    waiter: AtomicWaker,
    role: AtomicU8,
    /// Its instance is at work, and does not wait for a delivery.
    busy: AtomicBool,
    /// Messages that its instances were handed; written by one thread at a time.
    handled: AtomicU64,
}

/// Whether messages go to a mailbox while there are others for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::plugin) enum Role {
    /// Not yet: the version that it belongs to has not taken over.
    Standby,
    /// Its share.
    Serving,
    /// No more: its instance is to end.
    Retired,
}

#[derive(Default)]
struct Inner {
    /// Answers, events and timers do not queue behind messages.
    urgent: VecDeque<Delivery>,
    /// Messages, and those events that must not overtake them.
    ordered: VecDeque<Delivery>,
    total: Load,
    loads: Loads,
    /// Messages taken, or thrown away after they had waited.
    handled: u64,
    /// Groups of messages that came together, about.
    groups: u32,
    timers: Timers,
    /// Timers that are due and not taken yet.
    due_timers: usize,
    /// Bytes of the answers that wait.
    answer_bytes: usize,
    /// Requests whose last answer has not come.
    requests: u32,
    stopping: bool,
}

impl Mailbox {
    pub(in crate::plugin) fn new(limits: MailboxLimits) -> Self {
        Self {
            most: Load { messages: limits.max_messages, bytes: limits.max_bytes },
            most_in_all: Load {
                messages: limits.max_instance_messages.max(limits.max_messages),
                bytes: limits.max_instance_bytes.max(limits.max_bytes),
            },
            inner: Mutex::default(),
            waiting: AtomicUsize::new(0),
            waiter: AtomicWaker::new(),
            role: AtomicU8::new(Role::Serving as u8),
            busy: AtomicBool::new(false),
            handled: AtomicU64::new(0),
        }
    }

    pub(in crate::plugin) fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Relaxed);
    }

    pub(in crate::plugin) fn has_role(&self, role: Role) -> bool {
        self.role.load(Ordering::Relaxed) == role as u8
    }

    pub(in crate::plugin) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    pub(in crate::plugin) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// So many messages were handed to the instance.
    #[inline]
    pub(in crate::plugin) fn count_handled(&self, messages: usize) {
        let handled = self.handled.load(Ordering::Relaxed) + messages as u64;
        self.handled.store(handled, Ordering::Relaxed);
    }

    pub(in crate::plugin) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    fn is_high(&self, load: Load, total: Load) -> bool {
        !load.fits(self.most.half()) || !total.fits(self.most_in_all.half())
    }

    /// How the instance gets on with the messages of a subscription.
    pub(in crate::plugin) fn backlog(&self, sid: u64) -> Backlog {
        let inner = self.inner.lock();
        let is_high = self.is_high(inner.loads.of(sid), inner.total);
        Backlog { is_high, handled: inner.handled }
    }

    /// Puts an event behind the messages that wait.
    pub(in crate::plugin) fn push_event_in_order(&self, client: u32, event: Event) {
        let mut inner = self.inner.lock();
        let was_idle = inner.is_idle();
        inner.ordered.push_back(Delivery::Event { client, event: Box::new(event) });
        self.signal(was_idle);
    }

    /// Puts an event before the messages that wait. One more refusal by the server
    /// says nothing new when so many wait.
    pub(in crate::plugin) fn push_event(&self, client: u32, event: Event) {
        let is_refusal = matches!(&event, Event::Connection(event) if event.is_refusal());
        if is_refusal && self.inner.lock().urgent.len() >= MAX_REFUSALS {
            return;
        }
        self.push_urgent(Delivery::Event { client, event: Box::new(event) });
    }

    fn push_urgent(&self, delivery: Delivery) {
        let mut inner = self.inner.lock();
        let was_idle = inner.is_idle();
        inner.urgent.push_back(delivery);
        self.signal(was_idle);
    }

    fn signal(&self, was_idle: bool) {
        if was_idle {
            self.waiter.wake();
        }
    }

    /// Takes the next delivery.
    pub(in crate::plugin) fn take(&self) -> Option<Delivery> {
        let mut inner = self.inner.lock();
        if let Some(delivery) = inner.urgent.pop_front() {
            match &delivery {
                Delivery::Reply { answer, .. } => {
                    inner.answer_bytes = inner.answer_bytes.saturating_sub(answer_size(answer));
                }
                Delivery::Timer(_) => inner.due_timers = inner.due_timers.saturating_sub(1),
                Delivery::Message(_) | Delivery::Event { .. } => {}
            }
            return Some(delivery);
        }
        let delivery = inner.ordered.pop_front()?;
        if let Delivery::Message(incoming) = &delivery {
            inner.forget(incoming.sid, incoming.message.size());
            self.waiting.store(inner.total.messages, Ordering::Relaxed);
        }
        Some(delivery)
    }

    /// Takes messages, so many and of so many bytes at the most, though one of any
    /// size; none if something else comes first. `messages` is empty.
    pub(in crate::plugin) fn take_messages(
        &self,
        most: usize,
        most_bytes: usize,
        messages: &mut Vec<Incoming>,
    ) {
        let mut inner = self.inner.lock();
        if !inner.urgent.is_empty() {
            return;
        }
        messages.reserve(most.min(inner.ordered.len()));
        let mut bytes = 0;
        while messages.len() < most {
            match inner.ordered.pop_front() {
                Some(Delivery::Message(incoming)) => {
                    let size = incoming.message.size();
                    if bytes + size > most_bytes && !messages.is_empty() {
                        inner.ordered.push_front(Delivery::Message(incoming));
                        break;
                    }
                    bytes += size;
                    inner.forget(incoming.sid, size);
                    messages.push(incoming);
                }
                Some(other) => {
                    inner.ordered.push_front(other);
                    break;
                }
                None => break,
            }
        }
        self.waiting.store(inner.total.messages, Ordering::Relaxed);
    }

    /// Puts messages back that were taken and not handled.
    pub(in crate::plugin) fn put_back(&self, messages: Vec<Incoming>) {
        let handled = self.handled.load(Ordering::Relaxed).saturating_sub(messages.len() as u64);
        self.handled.store(handled, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        for incoming in messages.into_iter().rev() {
            let size = incoming.message.size();
            inner.total = inner.total.with(size);
            let load = inner.loads.of(incoming.sid).with(size);
            inner.loads.set(incoming.sid, load);
            inner.ordered.push_front(Delivery::Message(incoming));
        }
        self.waiting.store(inner.total.messages, Ordering::Relaxed);
    }

    /// The instance is gone: its timers, and the answers to its requests, are
    /// nobody's. Messages and events wait for the next one.
    pub(in crate::plugin) fn forget_instance(&self) {
        let mut inner = self.inner.lock();
        inner.timers = Timers::default();
        inner.requests = 0;
        inner.due_timers = 0;
        inner.answer_bytes = 0;
        inner.urgent.retain(|delivery| matches!(delivery, Delivery::Event { .. }));
    }

    /// Drops messages that wait.
    pub(in crate::plugin) fn discard(&self, is_gone: impl Fn(&Incoming) -> bool) {
        let mut inner = self.inner.lock();
        let mut ordered = std::mem::take(&mut inner.ordered);
        ordered.retain(|delivery| match delivery {
            Delivery::Message(incoming) if is_gone(incoming) => {
                inner.forget(incoming.sid, incoming.message.size());
                false
            }
            _ => true,
        });
        inner.ordered = ordered;
        self.waiting.store(inner.total.messages, Ordering::Relaxed);
    }

    /// Drops what waits for the subscriptions with these numbers.
    pub(in crate::plugin) fn discard_of(&self, sids: &FxHashSet<u64>) {
        let has_any = {
            let inner = self.inner.lock();
            sids.iter().any(|sid| inner.loads.of(*sid).messages > 0)
        };
        if has_any {
            self.discard(|incoming| sids.contains(&incoming.sid));
        }
    }

    /// What waits for a subscription.
    pub(in crate::plugin) fn pending_of(&self, sid: u64) -> Load {
        self.inner.lock().loads.of(sid)
    }

    /// All that waits.
    pub(in crate::plugin) fn pending(&self) -> Load {
        self.inner.lock().total
    }

    /// The number of all messages that wait, or about.
    pub(in crate::plugin) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// A message of this size waits no more.
    fn forget(&mut self, sid: u64, size: usize) {
        self.handled += 1;
        self.total.remove(size);
        self.loads.remove(sid, size);
    }

    fn is_idle(&self) -> bool {
        self.urgent.is_empty() && self.ordered.is_empty()
    }
}

#[cfg(test)]
mod tests;
