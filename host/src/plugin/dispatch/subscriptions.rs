//! The subscriptions of one plugin: which there are, and which of its instances has
//! which. There may be very many, so none is looked for among all of them.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::mailbox::Mailbox;
use super::subscription::{Endings, Subscription, Wanted};
use crate::connection::Client;
use crate::plugin::reporting::reporter::Reporter;
use crate::policy::SubjectRules;
use crate::protocol::{QueueGroup, SessionError, SubjectPattern};

/// All subscriptions of one plugin.
pub(in crate::plugin) struct Subscriptions {
    reporter: Arc<Reporter>,
    index: Mutex<Index>,
    endings: Arc<Endings>,
}

#[derive(Default)]
struct Index {
    all: FxHashMap<Arc<Wanted>, Equals>,
    last_sid: u64,
}

/// Subscriptions that are equal to guests.
#[derive(Default)]
struct Equals {
    /// The oldest first.
    all: Vec<Arc<Subscription>>,
    /// How many of them each mailbox has at the least, by its address: as long as it
    /// has one, it stays where it is.
    joined: Vec<(usize, usize)>,
}

impl Subscriptions {
    pub(in crate::plugin) fn new(reporter: Arc<Reporter>) -> Self {
        Self { reporter, index: Mutex::default(), endings: Arc::default() }
    }

    /// Subscribes an instance: joins what another instance of the same rights has,
    /// or asks the server. An instance that subscribes twice has two subscriptions.
    ///
    /// # Errors
    /// If the connection is closed or draining.
    pub(in crate::plugin) fn subscribe(
        &self,
        (client_id, client): (u32, &Client),
        pattern: SubjectPattern<'_>,
        queue: Option<QueueGroup<'_>>,
        screen: Option<SubjectRules>,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Arc<Subscription>, SessionError> {
        let wanted = Arc::new(Wanted::new(client_id, pattern.as_str(), queue));
        let mut index = self.index.lock();
        index.forget(&self.endings);
        if let Some(equals) = index.all.get_mut(&wanted)
            && let Some(shared) = equals.joinable(screen.as_ref(), mailbox)
        {
            shared.join(mailbox);
            equals.count(mailbox, 1);
            return Ok(shared);
        }
        index.last_sid += 1;
        let subscription = Arc::new(Subscription::new(
            (index.last_sid, &wanted),
            client,
            screen,
            mailbox,
            &self.reporter,
            &self.endings,
        ));
        subscription.open(pattern, queue)?;
        let equals = index.all.entry(wanted).or_default();
        equals.all.push(Arc::clone(&subscription));
        equals.count(mailbox, 1);
        Ok(subscription)
    }

    /// Ends subscriptions for one instance: nothing of them that waits is delivered
    /// any more.
    pub(in crate::plugin) fn leave(
        &self,
        subscriptions: &[Arc<Subscription>],
        mailbox: &Arc<Mailbox>,
    ) {
        let mut index = self.index.lock();
        for subscription in subscriptions {
            subscription.leave(mailbox);
            if let Some(equals) = index.all.get_mut(&subscription.wanted) {
                equals.count(mailbox, -1);
            }
        }
        index.forget(&self.endings);
        drop(index);
        mailbox.discard_of(&subscriptions.iter().map(|one| one.sid).collect::<FxHashSet<_>>());
    }

    /// Ends those at the server that only retired mailboxes have; what was sent
    /// before still comes.
    pub(in crate::plugin) fn drain_retired(&self) {
        for subscription in self.all(|one| !one.has_ended() && one.is_retired()) {
            // One that has just ended needs no draining.
            let _ = subscription.drain();
        }
    }

    /// Ends all of a mailbox whose instance is gone without having left them.
    pub(in crate::plugin) fn leave_all(&self, mailbox: &Arc<Mailbox>) {
        self.leave(&self.all(|one| one.has_member(mailbox)), mailbox);
    }

    fn all(&self, is_meant: impl Fn(&Subscription) -> bool) -> Vec<Arc<Subscription>> {
        let index = self.index.lock();
        let all = index.all.values().flat_map(|equals| &equals.all);
        all.filter(|one| is_meant(one)).cloned().collect()
    }
}

impl Index {
    /// Forgets those that have ended.
    fn forget(&mut self, endings: &Endings) {
        for (wanted, sid) in std::mem::take(&mut *endings.lock()) {
            let Entry::Occupied(mut equals) = self.all.entry(wanted) else { continue };
            equals.get_mut().forget(sid);
            if equals.get().all.is_empty() {
                equals.remove();
            }
        }
    }
}

impl Equals {
    /// One that the mailbox does not have, of the same rights: a new version of the
    /// plugin may have another policy.
    fn joinable(
        &self,
        screen: Option<&SubjectRules>,
        mailbox: &Arc<Mailbox>,
    ) -> Option<Arc<Subscription>> {
        let address = address(mailbox);
        let joined = self.joined.iter().find(|(known, _)| *known == address);
        let joined = joined.map_or(0, |(_, count)| *count);
        if joined >= self.all.len() {
            return None;
        }
        // Unless it has left some, those it has are the oldest ones.
        let (before, after) = self.all.split_at_checked(joined)?;
        let is_joinable = |one: &&Arc<Subscription>| {
            one.screen.as_ref() == screen && !one.has_ended() && !one.has_member(mailbox)
        };
        after.iter().chain(before).find(is_joinable).cloned()
    }

    /// A mailbox has one more or one less.
    fn count(&mut self, mailbox: &Arc<Mailbox>, change: isize) {
        let address = address(mailbox);
        match self.joined.iter_mut().find(|(known, _)| *known == address) {
            Some((_, count)) => *count = count.saturating_add_signed(change),
            None if change > 0 => self.joined.push((address, 1)),
            None => {}
        }
        self.joined.retain(|(_, count)| *count > 0);
    }

    fn forget(&mut self, sid: u64) {
        let Ok(place) = self.all.binary_search_by_key(&sid, |one| one.sid) else { return };
        for mailbox in self.all.remove(place).members() {
            self.count(&mailbox, -1);
        }
    }
}

fn address(mailbox: &Arc<Mailbox>) -> usize {
    Arc::as_ptr(mailbox).addr()
}

/// Subscriptions of an instance that is gone, for the next one to take up.
#[derive(Default)]
pub(in crate::plugin) struct Orphans(FxHashMap<Arc<Wanted>, VecDeque<Arc<Subscription>>>);

impl Orphans {
    /// The oldest one that still stands.
    pub(in crate::plugin) fn take(&mut self, wanted: &Wanted) -> Option<Arc<Subscription>> {
        let equals = self.0.get_mut(wanted)?;
        std::iter::from_fn(|| equals.pop_front()).find(|one| !one.has_ended())
    }

    /// All that were not taken up.
    pub(in crate::plugin) fn take_all(&mut self) -> Vec<Arc<Subscription>> {
        std::mem::take(&mut self.0).into_values().flatten().collect()
    }
}

impl FromIterator<Arc<Subscription>> for Orphans {
    /// The oldest first.
    fn from_iter<T: IntoIterator<Item = Arc<Subscription>>>(subscriptions: T) -> Self {
        let mut orphans = Self::default();
        for subscription in subscriptions {
            let equals = orphans.0.entry(Arc::clone(&subscription.wanted)).or_default();
            equals.push_back(subscription);
        }
        orphans
    }
}
