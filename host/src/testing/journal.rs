//! What a plugin has published, and what of it a test has expected.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::Message;
use crate::protocol::SubjectPattern;

/// Cheap to clone; all clones are the same journal.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Entries>);

#[derive(Default)]
struct Entries {
    all: Mutex<Vec<Entry>>,
    grown: Notify,
}

struct Entry {
    message: Message,
    is_expected: bool,
}

impl Journal {
    pub(super) fn add(&self, message: Message) {
        self.0.all.lock().push(Entry { message, is_expected: false });
        self.0.grown.notify_one();
    }

    /// Waits for a message more.
    pub(super) async fn grown(&self) {
        self.0.grown.notified().await;
    }

    /// Takes the first message of the pattern that nobody has expected yet.
    pub(super) fn expect(
        &self,
        pattern: SubjectPattern<'_>,
        fits: impl Fn(&Message) -> bool,
    ) -> Option<Message> {
        let mut all = self.0.all.lock();
        let entry = all.iter_mut().find(|entry| {
            !entry.is_expected && pattern.matches(entry.message.subject()) && fits(&entry.message)
        })?;
        entry.is_expected = true;
        Some(entry.message.clone())
    }

    pub(super) fn has_unexpected(&self) -> bool {
        self.0.all.lock().iter().any(|entry| !entry.is_expected)
    }

    /// All messages, and whether each was expected.
    pub(super) fn all(&self) -> Vec<(Message, bool)> {
        let all = self.0.all.lock();
        all.iter().map(|entry| (entry.message.clone(), entry.is_expected)).collect()
    }
}
