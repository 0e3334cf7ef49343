//! One of several users of a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
}

impl Tenant {
    pub(super) fn new(id: u32, listener: Arc<dyn Listener>) -> Self {
        Self {
            id,
            listener,
            draining: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            last_inbox: AtomicU64::new(0),
        }
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
