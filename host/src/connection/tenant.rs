//! One of several users of a connection.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::receiver::{ConnectionEvent, Listener};
use super::shared::ConnectionStatus;

/// Who has a part of a connection: subscriptions, requests and inboxes that the
/// other users do not see, and an end that is not theirs.
pub(super) struct Tenant {
    /// Not used twice on a connection; 0 is the connection's owner.
    pub(super) id: u32,
    listener: Arc<dyn Listener>,
    draining: AtomicBool,
    closed: AtomicBool,
    last_inbox: AtomicU64,
    published: Mutex<Published>,
}

/// To how many subjects a user has published at the least, before the first of them
/// is forgotten. A server refuses a message soon after it was sent, or never.
const REMEMBERED_SUBJECTS: usize = 1024;

/// Where a user has published lately, as hashes: two that are the same by chance cost
/// an event that is not needed.
#[derive(Default)]
struct Published {
    now: FxHashSet<u64>,
    before: FxHashSet<u64>,
}

impl Tenant {
    pub(super) fn new(id: u32, listener: Arc<dyn Listener>) -> Self {
        Self {
            id,
            listener,
            draining: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            last_inbox: AtomicU64::new(0),
            published: Mutex::default(),
        }
    }

    /// Takes note that it publishes there.
    pub(super) fn note_published(&self, subject: &str) {
        let mut published = self.published.lock();
        let subject = FxBuildHasher.hash_one(subject);
        if published.now.insert(subject) && published.now.len() >= REMEMBERED_SUBJECTS {
            published.before = std::mem::take(&mut published.now);
        }
    }

    /// Whether it has published there lately.
    pub(super) fn has_published(&self, subject: &str) -> bool {
        let published = self.published.lock();
        let subject = FxBuildHasher.hash_one(subject);
        published.now.contains(&subject) || published.before.contains(&subject)
    }

    pub(super) fn tell(&self, event: &ConnectionEvent) {
        self.listener.event(event);
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// How the connection stands for this one, if it stands so for all.
    pub(super) fn status(&self, of_all: ConnectionStatus) -> ConnectionStatus {
        if self.is_closed() {
            ConnectionStatus::Closed
        } else if self.is_draining() && of_all == ConnectionStatus::Connected {
            ConnectionStatus::Draining
        } else {
            of_all
        }
    }

    /// What its inboxes begin with, on a connection with this prefix.
    pub(super) fn inboxes(&self, prefix: &str) -> String {
        format!("{prefix}.inbox.{}.", self.id)
    }

    pub(super) fn next_inbox(&self) -> u64 {
        self.last_inbox.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Listener for Deaf {
        fn event(&self, _: &ConnectionEvent) {}
    }

    #[test]
    fn where_it_published_is_remembered_for_a_while_and_in_bounds() {
        let tenant = Tenant::new(1, Arc::new(Deaf));
        assert!(!tenant.has_published("a"));
        tenant.note_published("a");
        for number in 0..REMEMBERED_SUBJECTS {
            assert!(tenant.has_published("a"), "{number}");
            tenant.note_published(&number.to_string());
        }
        for number in 0..10 * REMEMBERED_SUBJECTS {
            tenant.note_published(&number.to_string());
        }
        assert!(!tenant.has_published("a"));
        let published = tenant.published.lock();
        assert!(published.now.len() + published.before.len() <= 2 * REMEMBERED_SUBJECTS);
    }
}
