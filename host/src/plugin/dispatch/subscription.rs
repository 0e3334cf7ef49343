//! One subscription of a plugin, shared out between its instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::mailbox::{Event, Incoming, Level, Mailbox, Overflow, Role};
use crate::connection::{Answer, Arrival, Backlog, Client, Receiver, Reception};
use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::reporting::reporter::Reporter;
use crate::policy::SubjectRules;
use crate::protocol::{EndReason, Message, QueueGroup, SessionError, Sid, SubjectPattern};

/// One subscription at the server, for one or more instances of a plugin.
pub(in crate::plugin) struct Subscription {
    /// The number by which guests know it.
    pub(in crate::plugin) sid: u64,
    pub(super) wanted: Arc<Wanted>,
    client: Client,
    reporter: Arc<Reporter>,
    /// What of a pattern that begins with a wildcard may be handed on.
    pub(super) screen: Option<SubjectRules>,
    /// The number by which the connection knows it, once it does.
    remote: Mutex<Option<Sid>>,
    members: Mutex<Members>,
    arrived: AtomicU64,
    dropped: AtomicU64,
    episode: Episode,
    /// No further message comes.
    ended: AtomicBool,
    endings: Arc<Endings>,
}

/// What a guest asks for. Subscriptions for which it is the same are equal to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::plugin) struct Wanted {
    pub(in crate::plugin) client_id: u32,
    pub(in crate::plugin) subject: Box<str>,
    pub(in crate::plugin) queue: Option<Box<str>>,
}

impl Wanted {
    pub(in crate::plugin) fn new(
        client_id: u32,
        subject: &str,
        queue: Option<QueueGroup<'_>>,
    ) -> Self {
        let queue = queue.map(|queue| queue.as_str().into());
        Self { client_id, subject: subject.into(), queue }
    }
}

/// Subscriptions that have ended by themselves and are to be forgotten. Those that
/// find out hold the connection's lock, so they only leave word.
pub(super) type Endings = Mutex<Vec<(Arc<Wanted>, u64)>>;

#[derive(Default)]
struct Members {
    mailboxes: Vec<Arc<Mailbox>>,
    turn: usize,
}

/// A time in which messages are dropped: from the first one to when half of what
/// may wait does not any more.
#[derive(Default)]
struct Episode {
    is_on: AtomicBool,
    dropped: Mutex<Arc<AtomicU64>>,
}

/// What came of messages that were put into mailboxes.
struct Filled {
    /// A mailbox took one of them and was half full at the most.
    was_low: bool,
    /// None: there are no more.
    pause: Option<Pause>,
}

/// What keeps messages from being put into mailboxes for a moment.
struct Pause {
    /// One was dropped.
    overflow: Option<(Arc<Mailbox>, Overflow)>,
    /// There will be no more.
    last: bool,
}

/// Counts of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Counts {
    pub(in crate::plugin) arrived: u64,
    pub(in crate::plugin) dropped: u64,
}

impl Members {
    /// Of those that serve, or of all if none does, the one with the least to do,
    /// beginning with the one whose turn it is.
    fn choose(&mut self) -> Option<&Arc<Mailbox>> {
        let count = self.mailboxes.len();
        if count <= 1 {
            return self.mailboxes.first();
        }
        self.turn = (self.turn + 1) % count;
        let (before, after) = self.mailboxes.split_at_checked(self.turn)?;
        let in_turn = after.iter().chain(before);
        in_turn.min_by_key(|mailbox| (!mailbox.has_role(Role::Serving), mailbox.waiting()))
    }
}

impl Subscription {
    /// One for this mailbox, of which the server is not asked yet.
    pub(super) fn new(
        (sid, wanted): (u64, &Arc<Wanted>),
        client: &Client,
        screen: Option<SubjectRules>,
        mailbox: &Arc<Mailbox>,
        reporter: &Arc<Reporter>,
        endings: &Arc<Endings>,
    ) -> Self {
        Self {
            sid,
            wanted: Arc::clone(wanted),
            client: client.clone(),
            reporter: Arc::clone(reporter),
            screen,
            remote: Mutex::new(None),
            members: Mutex::new(Members { mailboxes: vec![Arc::clone(mailbox)], turn: 0 }),
            arrived: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            episode: Episode::default(),
            ended: AtomicBool::new(false),
            endings: Arc::clone(endings),
        }
    }

    /// Asks the server.
    ///
    /// # Errors
    /// If the connection is closed or draining.
    pub(super) fn open(
        self: &Arc<Self>,
        pattern: SubjectPattern<'_>,
        queue: Option<QueueGroup<'_>>,
    ) -> Result<(), SessionError> {
        let receiver = Arc::clone(self) as Arc<dyn Receiver>;
        let remote = self.client.subscribe(pattern, queue, receiver, 0)?;
        *self.remote.lock() = Some(remote);
        Ok(())
    }

    pub(in crate::plugin) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(in crate::plugin) fn counts(&self) -> Counts {
        let dropped = self.dropped.load(Ordering::Relaxed);
        Counts { arrived: self.arrived.load(Ordering::Relaxed), dropped }
    }

    /// Takes note that no further message comes.
    fn set_ended(&self) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.endings.lock().push((Arc::clone(&self.wanted), self.sid));
        }
    }

    /// Whether no member is to get anything more.
    pub(super) fn is_retired(&self) -> bool {
        self.members.lock().mailboxes.iter().all(|mailbox| mailbox.has_role(Role::Retired))
    }

    pub(super) fn has_member(&self, mailbox: &Arc<Mailbox>) -> bool {
        self.members.lock().mailboxes.iter().any(|member| Arc::ptr_eq(member, mailbox))
    }

    /// The mailboxes that have it.
    pub(super) fn members(&self) -> Vec<Arc<Mailbox>> {
        self.members.lock().mailboxes.clone()
    }

    pub(super) fn join(&self, mailbox: &Arc<Mailbox>) {
        self.members.lock().mailboxes.push(Arc::clone(mailbox));
    }

    /// Ends it for one instance. The last one to leave ends it at the server.
    pub(super) fn leave(&self, mailbox: &Arc<Mailbox>) {
        let deserted = {
            let mut members = self.members.lock();
            members.mailboxes.retain(|member| !Arc::ptr_eq(member, mailbox));
            members.mailboxes.is_empty()
        };
        if deserted {
            // Without a maximum nothing is added to what waits for the server.
            let _ = self.end(None);
            // Nor is there anybody left for it.
            self.set_ended();
        }
    }

    /// Ends it after so many deliveries since it began; at once, if there were
    /// as many.
    ///
    /// # Errors
    /// If the server has taken nothing for long.
    pub(in crate::plugin) fn end_after(&self, max: u64) -> Result<(), SessionError> {
        if self.end(Some(max))? {
            let arrived = self.arrived.load(Ordering::Relaxed);
            let reason = format!("it has had its maximum: {arrived} messages of {max}");
            self.tell_all(&Event::SubscriptionEnded { sid: self.sid, reason });
        }
        Ok(())
    }

    /// Answers whether it has ended with this call.
    fn end(&self, max: Option<u64>) -> Result<bool, SessionError> {
        let Some(remote) = *self.remote.lock() else { return Ok(false) };
        match self.client.unsubscribe(remote, max) {
            Ok(ended) => {
                if ended {
                    self.set_ended();
                }
                Ok(ended)
            }
            Err(error @ SessionError::BufferFull { .. }) => Err(error),
            // The others say that it has ended already; then everybody was told.
            Err(_) => Ok(false),
        }
    }

    /// Ends it at the server; what was sent before is still delivered.
    pub(in crate::plugin) fn drain(&self) -> Result<(), SessionError> {
        match *self.remote.lock() {
            Some(remote) => self.client.drain_subscription(remote),
            None => Ok(()),
        }
    }

    /// Puts messages into mailboxes until there are no more or something has to be said
    /// for which the locks must be free: that of the members, and where one has it alone,
    /// that of its mailbox, are taken once.
    fn fill(
        &self,
        arrivals: &mut dyn Iterator<Item = Arrival>,
        reception: &mut Reception,
    ) -> Filled {
        let mut members = self.members.lock();
        match members.mailboxes.as_slice() {
            [only] => {
                let mut filling = only.fill();
                self.fill_by(arrivals, reception, |incoming| {
                    filling.push(incoming).map_err(|overflow| (Arc::clone(only), overflow))
                })
            }
            _ => self.fill_by(arrivals, reception, |incoming| match members.choose() {
                Some(one) => one.push(incoming).map_err(|overflow| (Arc::clone(one), overflow)),
                None => Ok(Level::High),
            }),
        }
    }

    fn fill_by(
        &self,
        arrivals: &mut dyn Iterator<Item = Arrival>,
        reception: &mut Reception,
        mut push: impl FnMut(Incoming) -> Result<Level, (Arc<Mailbox>, Overflow)>,
    ) -> Filled {
        let (mut was_low, mut pause) = (false, None);
        for Arrival { message, last, .. } in arrivals {
            // Only this counts, under the connection's lock.
            self.arrived.store(self.arrived.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            let mut overflow = None;
            if self.passes(&message) {
                let incoming = Incoming { client: self.wanted.client_id, sid: self.sid, message };
                match push(incoming) {
                    Ok(Level::Low) => was_low = true,
                    Ok(Level::High) => reception.is_behind = true,
                    Err(which) => overflow = Some(which),
                }
            }
            if last || overflow.is_some() {
                pause = Some(Pause { overflow, last });
                break;
            }
        }
        Filled { was_low, pause }
    }

    fn drop_message(&self, mailbox: &Mailbox, overflow: Overflow) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.reporter.message_dropped();
        let mut dropped = self.episode.dropped.lock();
        if self.episode.is_on.swap(true, Ordering::Relaxed) {
            dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        *dropped = Arc::new(AtomicU64::new(1));
        let event = Event::SlowConsumer { sid: self.sid, dropped: Arc::clone(&dropped) };
        let subject = self.wanted.subject.to_string();
        let Overflow { limit, current, desired, maximum } = overflow;
        self.reporter.report(&PluginEvent::LimitReached {
            limit,
            current: current as u64,
            desired: desired as u64,
            maximum: maximum as u64,
        });
        self.reporter.report(&PluginEvent::SlowConsumer { subject, sid: self.sid });
        mailbox.push_event(self.wanted.client_id, event);
    }

    fn end_episode(&self) {
        self.episode.is_on.store(false, Ordering::Relaxed);
        let dropped = self.episode.dropped.lock().load(Ordering::Relaxed);
        let subject = self.wanted.subject.to_string();
        self.reporter.report(&PluginEvent::SlowConsumerCaughtUp {
            subject,
            sid: self.sid,
            dropped,
        });
    }

    /// Whether the policy lets the plugin see a message that its pattern matches.
    fn passes(&self, message: &Message) -> bool {
        let Some(rules) = &self.screen else { return true };
        let subject = String::from_utf8_lossy(message.subject());
        let passes = rules.pass(&subject);
        if !passes {
            tracing::trace!(sid = self.sid, %subject, "held back");
        }
        passes
    }

    fn tell_all(&self, event: &Event) {
        for mailbox in &self.members.lock().mailboxes {
            mailbox.push_event_in_order(self.wanted.client_id, event.clone());
        }
    }
}

impl Receiver for Subscription {
    fn messages(&self, arrivals: &mut dyn Iterator<Item = Arrival>) -> Reception {
        let mut reception = Reception::default();
        loop {
            let Filled { was_low, pause } = self.fill(arrivals, &mut reception);
            if was_low && self.episode.is_on.load(Ordering::Relaxed) {
                self.end_episode();
            }
            let Some(Pause { overflow, last }) = pause else { return reception };
            if let Some((mailbox, overflow)) = overflow {
                self.drop_message(&mailbox, overflow);
                reception.dropped += 1;
                reception.is_behind = true;
            }
            if last {
                self.set_ended();
                let arrived = self.arrived.load(Ordering::Relaxed);
                let reason = format!("it has had its maximum of {arrived} messages");
                self.tell_all(&Event::SubscriptionEnded { sid: self.sid, reason });
            }
        }
    }

    /// It is behind if all its members are.
    fn backlog(&self) -> Backlog {
        let members = self.members.lock();
        let backlogs = members.mailboxes.iter().map(|mailbox| mailbox.backlog(self.sid));
        let all = backlogs.reduce(|one, other| Backlog {
            is_high: one.is_high && other.is_high,
            handled: one.handled.wrapping_add(other.handled),
        });
        all.unwrap_or_default()
    }

    fn subscription_ended(&self, _: u64, reason: EndReason) {
        self.set_ended();
        let reason = match reason {
            EndReason::Refused(text) => {
                tracing::warn!(
                    subject = &*self.wanted.subject,
                    text,
                    "subscription refused by the server"
                );
                format!("the server refused it: {text}")
            }
            EndReason::Drained => "it was drained".to_owned(),
            EndReason::Closed => "its connection was closed".to_owned(),
        };
        self.tell_all(&Event::SubscriptionEnded { sid: self.sid, reason });
    }

    fn reply(&self, _: u64, _: Answer, _: bool) {}
}
