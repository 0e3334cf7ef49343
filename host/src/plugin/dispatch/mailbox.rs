//! What waits for one instance: messages, answers, events and timers.
//!
//! A mailbox outlives the instance it serves: when that traps, what waits is
//! for the next one. Connections put things in, from their own threads; the
//! instance takes them out. It knows nothing of wasm.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::timers::Timers;
use crate::connection::{Answer, Backlog, ConnectionEvent, Reception};
use crate::protocol::Message;

/// A message for a subscription of the instance.
#[derive(Clone)]
pub(in crate::plugin) struct Incoming {
    pub(in crate::plugin) client: u32,
    pub(in crate::plugin) sid: u64,
    pub(in crate::plugin) message: Message,
}

/// One thing for the instance to handle.
pub(in crate::plugin) enum Delivery {
    Message(Incoming),
    Reply { client: u32, id: u64, answer: Answer, last: bool },
    Event { client: u32, event: Box<Event> },
    Timer(u64),
}

/// What an instance is told of a connection of its plugin, or of a subscription
/// of its own.
#[derive(Debug, Clone)]
pub(in crate::plugin) enum Event {
    Connection(ConnectionEvent),
    Connected(String),
    /// Everything that the server had for this connection has been taken.
    Drained,
    SlowConsumer {
        sid: u64,
        /// Of this episode; goes on counting until the instance hears of it.
        dropped: Arc<AtomicU64>,
    },
    SubscriptionEnded {
        sid: u64,
        reason: String,
    },
}

/// What may wait before the messages, if it is told of another refusal by the
/// server: a guest can have those as often as it likes.
const MAX_REFUSALS: usize = 1024;

/// How much may wait. Bytes are those of subject, reply-to, headers and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxLimits {
    /// Messages of one subscription.
    pub max_messages: usize,
    /// Their bytes.
    pub max_bytes: usize,
    /// Messages of all subscriptions of an instance; no less than those of one.
    pub max_instance_messages: usize,
    /// Their bytes; no less than those of one.
    pub max_instance_bytes: usize,
}

impl Default for MailboxLimits {
    fn default() -> Self {
        Self {
            max_messages: 65_536,
            max_bytes: 64 << 20,
            max_instance_messages: 131_072,
            max_instance_bytes: 128 << 20,
        }
    }
}

/// What waits: of one subscription, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::plugin) struct Load {
    pub(in crate::plugin) messages: usize,
    pub(in crate::plugin) bytes: usize,
}

impl Load {
    fn remove(&mut self, size: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }

    fn with(self, size: usize) -> Self {
        Self { messages: self.messages + 1, bytes: self.bytes.saturating_add(size) }
    }

    fn fits(self, most: Self) -> bool {
        self.messages <= most.messages && self.bytes <= most.bytes
    }

    fn half(self) -> Self {
        Self { messages: self.messages / 2, bytes: self.bytes / 2 }
    }
}

/// What a wait ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Wait {
    /// There is something to take.
    Ready,
    /// The time given has passed.
    TimedOut,
    /// The host is stopping, nothing waits and nothing is expected.
    Stopped,
}

/// Messages that came together, and maybe with others, keep one block of the
/// connection alive; so many such groups may wait as they came.
const MAX_GROUPS: u32 = 16;

pub(in crate::plugin) struct Mailbox {
    /// For one subscription.
    most: Load,
    /// For all.
    most_in_all: Load,
    inner: Mutex<Inner>,
    /// The number of messages in it, to be read without the lock.
    waiting: AtomicUsize,
    changed: Notify,
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
    /// By subscription; those of which nothing waits are not in it.
    loads: FxHashMap<u64, Load>,
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
            changed: Notify::new(),
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

    /// Puts a message at the end, if there is room for it.
    pub(in crate::plugin) fn push(&self, mut incoming: Incoming) -> Reception {
        let size = incoming.message.size();
        let mut inner = self.inner.lock();
        let total = inner.total.with(size);
        let load = inner.loads.get(&incoming.sid).copied().unwrap_or_default().with(size);
        if !load.fits(self.most) || !total.fits(self.most_in_all) {
            return Reception::Dropped;
        }
        let was_idle = inner.is_idle();
        inner.own_memory(&mut incoming.message);
        inner.loads.insert(incoming.sid, load);
        inner.total = total;
        inner.ordered.push_back(Delivery::Message(incoming));
        self.waiting.store(total.messages, Ordering::Relaxed);
        self.signal(was_idle);
        match self.is_high(load, total) {
            true => Reception::Behind,
            false => Reception::Taken,
        }
    }

    fn is_high(&self, load: Load, total: Load) -> bool {
        !load.fits(self.most.half()) || !total.fits(self.most_in_all.half())
    }

    /// How the instance gets on with the messages of a subscription.
    pub(in crate::plugin) fn backlog(&self, sid: u64) -> Backlog {
        let inner = self.inner.lock();
        let load = inner.loads.get(&sid).copied().unwrap_or_default();
        Backlog { is_high: self.is_high(load, inner.total), handled: inner.handled }
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

    fn signal(&self, was_idle: bool) {
        if was_idle {
            self.changed.notify_one();
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
    /// size; none if something else comes first.
    pub(in crate::plugin) fn take_messages(&self, most: usize, most_bytes: usize) -> Vec<Incoming> {
        let mut inner = self.inner.lock();
        if !inner.urgent.is_empty() {
            return Vec::new();
        }
        let mut messages = Vec::with_capacity(most.min(inner.ordered.len()));
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
        messages
    }

    /// Puts messages back that were taken and not handled.
    pub(in crate::plugin) fn put_back(&self, messages: Vec<Incoming>) {
        let handled = self.handled.load(Ordering::Relaxed).saturating_sub(messages.len() as u64);
        self.handled.store(handled, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        for incoming in messages.into_iter().rev() {
            let size = incoming.message.size();
            inner.total = inner.total.with(size);
            let load = inner.loads.entry(incoming.sid).or_default();
            *load = load.with(size);
            inner.ordered.push_front(Delivery::Message(incoming));
        }
        self.waiting.store(inner.total.messages, Ordering::Relaxed);
    }

    /// Waits until there is something to take. Due timers count.
    pub(in crate::plugin) async fn wait(&self, timeout: Option<Duration>) -> Wait {
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
    pub(in crate::plugin) fn stop(&self) {
        self.inner.lock().stopping = true;
        self.changed.notify_one();
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
        self.changed.notify_one();
    }

    pub(in crate::plugin) fn set_timer(&self, id: u64, delay: Duration, repeat: bool) {
        self.inner.lock().timers.set(id, Instant::now(), delay, repeat);
        self.changed.notify_one();
    }

    pub(in crate::plugin) fn cancel_timer(&self, timer: u64) {
        let mut inner = self.inner.lock();
        inner.timers.cancel(timer);
        let waiting = inner.urgent.len();
        inner.urgent.retain(|delivery| !matches!(delivery, Delivery::Timer(id) if *id == timer));
        let cancelled = waiting - inner.urgent.len();
        inner.due_timers = inner.due_timers.saturating_sub(cancelled);
    }

    pub(in crate::plugin) fn timer_count(&self) -> usize {
        self.inner.lock().timers.len()
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

    /// Drops what waits for these subscriptions.
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

    /// What waits for a subscription.
    pub(in crate::plugin) fn pending_of(&self, sid: u64) -> Load {
        self.inner.lock().loads.get(&sid).copied().unwrap_or_default()
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

    /// A message of this size waits no more.
    fn forget(&mut self, sid: u64, size: usize) {
        self.handled += 1;
        self.total.remove(size);
        if let Some(load) = self.loads.get_mut(&sid) {
            load.remove(size);
            if load.messages == 0 {
                self.loads.remove(&sid);
            }
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
        // Those that repeat come again only once all have been taken, or an instance
        // that is slower than they are would have ever more of them.
        if self.due_timers == 0 {
            while let Some(id) = self.timers.pop_due(now) {
                self.urgent.push_back(Delivery::Timer(id));
                self.due_timers += 1;
            }
        }
        self.timers.next()
    }
}

fn answer_size(answer: &Answer) -> usize {
    answer.as_ref().map_or(0, |message| message.as_ref().map_or(0, Message::size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push_reply(mailbox: &Mailbox, answer: Answer, last: bool) -> Result<(), (usize, usize)> {
        mailbox.push_reply(1, 1, answer, last, 100)
    }

    #[test]
    fn answers_beyond_their_bytes_are_dropped_and_the_last_one_is_not() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        let answer = |size| Ok(Some(Message::new("a", None, b"", &vec![0; size])));
        assert_eq!(push_reply(&mailbox, answer(59), false), Ok(()));
        assert_eq!(push_reply(&mailbox, answer(40), false), Err((60, 101)));
        assert_eq!(push_reply(&mailbox, answer(39), false), Ok(()));
        assert_eq!(push_reply(&mailbox, answer(500), true), Ok(()));
        assert!(mailbox.take().is_some());
        assert!(mailbox.take().is_some());
        assert!(mailbox.take().is_some());
        assert_eq!(push_reply(&mailbox, answer(99), false), Ok(()));
        mailbox.forget_request(1);
        assert_eq!(push_reply(&mailbox, answer(99), false), Ok(()));
    }

    #[tokio::test]
    async fn timers_that_an_instance_is_too_slow_for_do_not_pile_up() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        for id in 1..=3 {
            mailbox.set_timer(id, Duration::ZERO, true);
        }
        // They repeat every millisecond.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(5) {
            assert_eq!(mailbox.wait(None).await, Wait::Ready);
        }
        let taken = std::iter::from_fn(|| mailbox.take()).count();
        assert!((1..=3).contains(&taken), "{taken}");
        assert_eq!(mailbox.wait(None).await, Wait::Ready);
    }

    fn incoming(sid: u64, payload: &[u8]) -> Incoming {
        Incoming { client: 1, sid, message: Message::new("a", None, b"", payload) }
    }

    #[test]
    fn newest_message_of_a_subscription_is_dropped_at_its_limit() {
        let limits = MailboxLimits { max_messages: 2, max_bytes: 100, ..MailboxLimits::default() };
        let mailbox = Mailbox::new(limits);
        assert_eq!(mailbox.push(incoming(1, b"one")), Reception::Taken);
        assert_eq!(mailbox.push(incoming(1, &[0; 100])), Reception::Dropped);
        assert_eq!(mailbox.push(incoming(1, b"two")), Reception::Behind);
        assert_eq!(mailbox.push(incoming(1, b"three")), Reception::Dropped);
        assert_eq!(mailbox.push(incoming(2, b"other")), Reception::Taken);
        assert_eq!(mailbox.pending_of(1), Load { messages: 2, bytes: 8 });
        assert_eq!(mailbox.pending(), Load { messages: 3, bytes: 14 });
        assert_eq!(mailbox.backlog(1), Backlog { is_high: true, handled: 0 });
        assert!(mailbox.take().is_some());
        assert_eq!(mailbox.backlog(1), Backlog { is_high: false, handled: 1 });
        assert_eq!(mailbox.push(incoming(1, b"four")), Reception::Behind);
    }

    #[test]
    fn subscriptions_together_have_a_limit_of_their_own() {
        let limits = MailboxLimits {
            max_messages: 2,
            max_bytes: 18,
            max_instance_messages: 3,
            max_instance_bytes: 20,
        };
        let mailbox = Mailbox::new(limits);
        assert_eq!(mailbox.push(incoming(1, &[0; 5])), Reception::Taken);
        assert_eq!(mailbox.push(incoming(2, &[0; 17])), Reception::Dropped);
        assert_eq!(mailbox.push(incoming(2, b"")), Reception::Behind);
        assert_eq!(mailbox.push(incoming(3, b"")), Reception::Behind);
        assert_eq!(mailbox.push(incoming(4, b"")), Reception::Dropped);
        assert_eq!(mailbox.waiting(), 3);
    }

    #[test]
    fn events_do_not_queue_behind_messages() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.push(incoming(1, b""));
        mailbox.push_event(1, Event::Drained);
        assert!(matches!(mailbox.take(), Some(Delivery::Event { .. })));
        assert!(matches!(mailbox.take(), Some(Delivery::Message(_))));
        assert!(mailbox.take().is_none());
    }

    #[test]
    fn messages_are_taken_together_up_to_what_comes_before_others() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        for sid in 1..=4 {
            mailbox.push(incoming(sid, b"xyz"));
        }
        mailbox.push_event_in_order(1, Event::Drained);
        mailbox.push(incoming(5, b""));
        mailbox.push_urgent(Delivery::Timer(7));
        assert!(mailbox.take_messages(9, 999).is_empty());
        assert!(matches!(mailbox.take(), Some(Delivery::Timer(7))));

        let sids = |messages: &[Incoming]| messages.iter().map(|one| one.sid).collect::<Vec<_>>();
        let taken = mailbox.take_messages(9, 10);
        assert_eq!(sids(&taken), [1, 2]);
        mailbox.put_back(taken);
        assert_eq!(mailbox.pending(), Load { messages: 5, bytes: 17 });
        assert_eq!(sids(&mailbox.take_messages(1, 0)), [1]);
        assert_eq!(sids(&mailbox.take_messages(9, 999)), [2, 3, 4]);
        assert!(mailbox.take_messages(9, 999).is_empty());
        assert!(matches!(mailbox.take(), Some(Delivery::Event { .. })));
        assert_eq!(sids(&mailbox.take_messages(9, 999)), [5]);
        assert_eq!(mailbox.pending(), Load::default());
    }

    #[test]
    fn refusals_do_not_pile_up_and_other_events_are_kept() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        let refused = || ConnectionEvent::PublishRefused { subject: "a".into(), text: "no".into() };
        for _ in 0..10_000 {
            mailbox.push_event(1, Event::Connection(refused()));
        }
        mailbox.push_event(1, Event::Connection(ConnectionEvent::LameDuck));
        let count = std::iter::from_fn(|| mailbox.take()).count();
        assert_eq!(count, MAX_REFUSALS + 1);
    }

    #[test]
    fn discarded_messages_are_not_delivered() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.push(incoming(1, b"x"));
        mailbox.push(incoming(2, b"y"));
        mailbox.discard(|incoming| incoming.sid == 1);
        assert!(matches!(mailbox.take(), Some(Delivery::Message(Incoming { sid: 2, .. }))));
        assert_eq!(mailbox.pending(), Load::default());
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
        assert_eq!(push_reply(&mailbox, Ok(None), true), Ok(()));
        assert_eq!(mailbox.wait(None).await, Wait::Ready);
        assert!(mailbox.take().is_some());
        assert_eq!(mailbox.wait(None).await, Wait::Stopped);
    }
}
