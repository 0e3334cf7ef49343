//! What waits for one instance: messages, answers, events and timers.
//!
//! A mailbox outlives the instance it serves: when that traps, what waits is
//! for the next one. Connections put things in, from their own threads; the
//! instance takes them out. It knows nothing of wasm.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::timers::Timers;
use crate::connection::{Answer, ConnectionEvent};
use crate::protocol::Message;

/// A message for a subscription of the instance.
pub(super) struct Incoming {
    pub(super) client: u32,
    pub(super) sid: u64,
    pub(super) message: Message,
}

/// One thing for the instance to handle.
pub(super) enum Delivery {
    Message(Incoming),
    Reply { client: u32, id: u64, answer: Answer, last: bool },
    Event { client: u32, event: Box<Event> },
    Timer(u64),
}

impl Delivery {
    /// What counts against the limit on bytes.
    fn size(&self) -> usize {
        match self {
            Self::Message(incoming) => incoming.message.size(),
            _ => 0,
        }
    }
}

/// What an instance is told of a connection of its plugin, or of a subscription
/// of its own.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Connection(ConnectionEvent),
    Connected(String),
    /// Everything that the server had for this connection has been taken.
    Drained,
    SlowConsumer {
        sid: u64,
        dropped: u64,
    },
    SubscriptionEnded {
        sid: u64,
        reason: String,
    },
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct MailboxLimits {
    /// Messages.
    pub max_messages: usize,
    /// Bytes of subject, reply-to, headers and payload.
    pub max_bytes: usize,
}

impl Default for MailboxLimits {
    fn default() -> Self {
        Self { max_messages: 65_536, max_bytes: 64 << 20 }
    }
}

/// What a wait ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// There is something to take.
    Ready,
    /// The time given has passed.
    TimedOut,
    /// The host is stopping, nothing waits and nothing is expected.
    Stopped,
}

/// Read blocks that one mailbox may keep alive.
const MAX_BLOCKS: u32 = 4;

pub(super) struct Mailbox {
    limits: MailboxLimits,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// Answers, events and timers do not queue behind messages.
    urgent: VecDeque<Delivery>,
    /// Messages, and those events that must not overtake them.
    ordered: VecDeque<Delivery>,
    bytes: usize,
    /// Read blocks that they lie in, about.
    blocks: u32,
    timers: Timers,
    /// Requests whose last answer has not come.
    requests: u32,
    stopping: bool,
}

impl Mailbox {
    pub(super) fn new(limits: MailboxLimits) -> Self {
        Self { limits, inner: Mutex::default(), changed: Notify::new() }
    }

    /// Puts a message at the end; false if there is no room for it.
    pub(super) fn push(&self, mut incoming: Incoming) -> bool {
        let size = incoming.message.size();
        let mut inner = self.inner.lock();
        if inner.ordered.len() >= self.limits.max_messages
            || inner.bytes.saturating_add(size) > self.limits.max_bytes
        {
            return false;
        }
        let was_idle = inner.is_idle();
        inner.own_memory(&mut incoming.message);
        inner.bytes += size;
        inner.ordered.push_back(Delivery::Message(incoming));
        self.signal(was_idle);
        true
    }

    /// Puts an event behind the messages that wait.
    pub(super) fn push_event_in_order(&self, client: u32, event: Event) {
        let mut inner = self.inner.lock();
        let was_idle = inner.is_idle();
        inner.ordered.push_back(Delivery::Event { client, event: Box::new(event) });
        self.signal(was_idle);
    }

    /// Puts an event before the messages that wait.
    pub(super) fn push_event(&self, client: u32, event: Event) {
        self.push_urgent(Delivery::Event { client, event: Box::new(event) });
    }

    pub(super) fn push_urgent(&self, delivery: Delivery) {
        let mut inner = self.inner.lock();
        if let Delivery::Reply { last: true, .. } = delivery {
            inner.requests = inner.requests.saturating_sub(1);
        }
        // A request for any number of answers takes no more than there is room for.
        if matches!(delivery, Delivery::Reply { last: false, .. })
            && inner.urgent.len() >= self.limits.max_messages
        {
            return;
        }
        let was_idle = inner.is_idle();
        inner.urgent.push_back(delivery);
        self.signal(was_idle);
    }

    fn signal(&self, was_idle: bool) {
        if was_idle {
            self.changed.notify_one();
        }
    }

    /// Takes the next delivery.
    pub(super) fn take(&self) -> Option<Delivery> {
        let mut inner = self.inner.lock();
        if let Some(delivery) = inner.urgent.pop_front() {
            return Some(delivery);
        }
        let delivery = inner.ordered.pop_front()?;
        inner.bytes = inner.bytes.saturating_sub(delivery.size());
        Some(delivery)
    }

    /// Waits until there is something to take. Due timers count.
    pub(super) async fn wait(&self, timeout: Option<Duration>) -> Wait {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let changed = self.changed.notified();
            let deadline = {
                let mut inner = self.inner.lock();
                let due = inner.collect_timers();
                if !inner.is_idle() {
                    return Wait::Ready;
                }
                if inner.stopping && inner.requests == 0 {
                    return Wait::Stopped;
                }
                match (due, until) {
                    (Some(due), Some(until)) => Some(due.min(until)),
                    (due, until) => due.or(until),
                }
            };
            let Some(deadline) = deadline else {
                changed.await;
                continue;
            };
            if until.is_some_and(|until| until <= Instant::now()) {
                return Wait::TimedOut;
            }
            // Either way the loop looks again at what there is.
            let _ = tokio::time::timeout_at(deadline.into(), changed).await;
        }
    }

    /// Nothing new is expected: waits end once everything was taken.
    pub(super) fn stop(&self) {
        self.inner.lock().stopping = true;
        self.changed.notify_one();
    }

    /// A request was sent: its answer is expected, also while stopping.
    pub(super) fn expect_reply(&self) {
        self.inner.lock().requests += 1;
    }

    /// The request was cancelled: what has come of it is not to be delivered.
    pub(super) fn forget_request(&self, request: u64) {
        let mut inner = self.inner.lock();
        let mut ended = false;
        inner.urgent.retain(|delivery| match delivery {
            Delivery::Reply { id, last, .. } if *id == request => {
                ended |= *last;
                false
            }
            _ => true,
        });
        if !ended {
            inner.requests = inner.requests.saturating_sub(1);
        }
        drop(inner);
        self.changed.notify_one();
    }

    pub(super) fn set_timer(&self, id: u64, delay: Duration, repeat: bool) {
        self.inner.lock().timers.set(id, Instant::now(), delay, repeat);
        self.changed.notify_one();
    }

    pub(super) fn cancel_timer(&self, timer: u64) {
        let mut inner = self.inner.lock();
        inner.timers.cancel(timer);
        inner.urgent.retain(|delivery| !matches!(delivery, Delivery::Timer(id) if *id == timer));
    }

    pub(super) fn timer_count(&self) -> usize {
        self.inner.lock().timers.len()
    }

    /// The instance is gone: its timers, and the answers to its requests, are
    /// nobody's. Messages and events wait for the next one.
    pub(super) fn forget_instance(&self) {
        let mut inner = self.inner.lock();
        inner.timers = Timers::default();
        inner.requests = 0;
        inner.urgent.retain(|delivery| matches!(delivery, Delivery::Event { .. }));
    }

    /// Drops what waits for these subscriptions.
    pub(super) fn discard(&self, is_gone: impl Fn(&Incoming) -> bool) {
        let mut inner = self.inner.lock();
        let mut freed = 0;
        inner.ordered.retain(|delivery| match delivery {
            Delivery::Message(incoming) if is_gone(incoming) => {
                freed += incoming.message.size();
                false
            }
            _ => true,
        });
        inner.bytes = inner.bytes.saturating_sub(freed);
    }

    /// Messages and their bytes that wait for a subscription.
    pub(super) fn pending_of(&self, sid: u64) -> (u64, u64) {
        let inner = self.inner.lock();
        inner.ordered.iter().fold((0, 0), |(count, bytes), delivery| match delivery {
            Delivery::Message(incoming) if incoming.sid == sid => {
                (count + 1, bytes + incoming.message.size() as u64)
            }
            _ => (count, bytes),
        })
    }

    /// Whether there is so much room again that an episode of dropping is over.
    pub(super) fn has_recovered(&self) -> bool {
        let (messages, bytes) = self.pending();
        messages <= self.limits.max_messages as u64 / 2 && bytes <= self.limits.max_bytes as u64 / 2
    }

    /// All messages that wait, and their bytes.
    pub(super) fn pending(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.ordered.len() as u64, inner.bytes as u64)
    }
}

impl Inner {
    /// While the instance keeps up, what waits lies in few blocks. Behind those, a
    /// message gets memory of its own, so that a backlog costs what it weighs
    /// and not a block a message.
    fn own_memory(&mut self, message: &mut Message) {
        match self.ordered.back() {
            Some(Delivery::Message(last)) if self.blocks <= MAX_BLOCKS => {
                self.blocks += u32::from(!last.message.shares_block(message));
            }
            Some(_) if self.blocks > MAX_BLOCKS => message.compact(),
            _ => self.blocks = 1,
        }
    }

    fn is_idle(&self) -> bool {
        self.urgent.is_empty() && self.ordered.is_empty()
    }

    /// Moves the timers that are due to the other deliveries; answers when the
    /// next one will be.
    fn collect_timers(&mut self) -> Option<Instant> {
        if self.timers.len() == 0 {
            return None;
        }
        let now = Instant::now();
        while let Some(id) = self.timers.pop_due(now) {
            self.urgent.push_back(Delivery::Timer(id));
        }
        self.timers.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(sid: u64, payload: &[u8]) -> Incoming {
        Incoming { client: 1, sid, message: Message::new("a", None, b"", payload) }
    }

    #[test]
    fn full_mailbox_refuses_the_newest() {
        let mailbox = Mailbox::new(MailboxLimits { max_messages: 2, max_bytes: 100 });
        assert!(mailbox.push(incoming(1, b"one")));
        assert!(!mailbox.push(incoming(1, &[0; 100])));
        assert!(mailbox.push(incoming(1, b"two")));
        assert!(!mailbox.push(incoming(1, b"three")));
        assert_eq!(mailbox.pending(), (2, 8));
    }

    #[test]
    fn events_do_not_queue_behind_messages() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.push(incoming(1, b""));
        mailbox.push_urgent(Delivery::Timer(7));
        assert!(matches!(mailbox.take(), Some(Delivery::Timer(7))));
        assert!(matches!(mailbox.take(), Some(Delivery::Message(_))));
        assert!(mailbox.take().is_none());
    }

    #[test]
    fn discarded_messages_are_not_delivered() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.push(incoming(1, b"x"));
        mailbox.push(incoming(2, b"y"));
        mailbox.discard(|incoming| incoming.sid == 1);
        assert!(matches!(mailbox.take(), Some(Delivery::Message(Incoming { sid: 2, .. }))));
        assert_eq!(mailbox.pending(), (0, 0));
    }

    #[tokio::test]
    async fn wait_ends_for_timers_deadlines_and_stop() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        assert_eq!(mailbox.wait(Some(Duration::ZERO)).await, Wait::TimedOut);
        mailbox.set_timer(3, Duration::ZERO, false);
        assert_eq!(mailbox.wait(None).await, Wait::Ready);
        assert!(matches!(mailbox.take(), Some(Delivery::Timer(3))));
        mailbox.stop();
        assert_eq!(mailbox.wait(None).await, Wait::Stopped);
    }

    #[tokio::test]
    async fn stop_waits_for_answers_that_are_expected() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.expect_reply();
        mailbox.stop();
        assert_eq!(mailbox.wait(Some(Duration::ZERO)).await, Wait::TimedOut);
        mailbox.push_urgent(Delivery::Reply { client: 1, id: 1, answer: Ok(None), last: true });
        assert_eq!(mailbox.wait(None).await, Wait::Ready);
        assert!(mailbox.take().is_some());
        assert_eq!(mailbox.wait(None).await, Wait::Stopped);
    }
}
