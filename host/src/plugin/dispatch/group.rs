//! Messages that an instance took together, and how far it has come with them.
//!
//! The guest counts the messages it begins at a place in its own memory, which
//! the host reads when it has to know: at a tick, at a publish, after a trap. That
//! costs a message nothing. A guest that counts wrongly has messages of its own
//! delivered twice or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wasmtime::StoreContext;
use wasmtime::component::WasmList;

use super::mailbox::Incoming;
use crate::plugin::state::State;
use crate::time;

/// Messages that are taken together at the most.
const MAX_MESSAGES: usize = 256;

/// Bytes beyond which no further message joins. A guest that keeps one message
/// may keep the memory of all of them.
pub(in crate::plugin) const MAX_BYTES: usize = 64 * 1024;

/// Room that is kept while nothing waits.
const KEPT_CAPACITY: usize = 8;

/// Handling a group shall not take longer: an answer, an event or a timer that
/// comes meanwhile waits for it.
const LONG: Duration = Duration::from_micros(250);

pub(in crate::plugin) struct Group {
    messages: Arc<Vec<Incoming>>,
    /// How many were begun when that was last looked at.
    begun: AtomicUsize,
    /// The last one whose requester was told of a failure, counted like `begun`.
    answered: usize,
    /// Where the guest counts.
    place: Option<WasmList<u8>>,
    /// Where it has room for messages.
    room: Option<Arc<WasmList<u8>>>,
    /// How many to take together next, and since when the present ones are in hand.
    size: usize,
    since: Option<Instant>,
}

impl Group {
    pub(in crate::plugin) fn new() -> Self {
        Self {
            messages: Arc::default(),
            begun: AtomicUsize::new(0),
            answered: 0,
            place: None,
            room: None,
            size: 1,
            since: None,
        }
    }

    /// The guest counts here from now on.
    pub(in crate::plugin) fn expose(&mut self, place: WasmList<u8>) {
        self.place = Some(place);
    }

    /// The guest has room here from now on; nowhere, if it is none.
    pub(in crate::plugin) fn expose_room(&mut self, place: WasmList<u8>) {
        self.room = (place.len() > 0).then(|| Arc::new(place));
    }

    pub(in crate::plugin) fn room(&self) -> Option<Arc<WasmList<u8>>> {
        self.room.clone()
    }

    /// How many of the messages that wait to take together; 0 if the guest does not
    /// count.
    pub(in crate::plugin) fn next_size(&mut self, waiting: usize) -> usize {
        if self.place.is_none() {
            return 0;
        }
        if waiting <= 1 {
            // Not worth a look at the clock.
            self.since = None;
            return 1;
        }
        let now = time::now();
        if let Some(since) = self.since.replace(now) {
            let was_long = now.saturating_duration_since(since) > LONG;
            self.size = if was_long { self.size / 2 } else { self.size * 2 };
            self.size = self.size.clamp(1, MAX_MESSAGES);
        }
        self.size
    }

    /// Nothing waits: what follows is no sign of how long messages take.
    pub(in crate::plugin) fn pause(&mut self) {
        self.since = None;
        if self.messages.capacity() > KEPT_CAPACITY {
            Arc::make_mut(&mut self.messages).shrink_to(KEPT_CAPACITY);
        }
    }

    /// Begins anew with the messages that `take` adds to none.
    pub(in crate::plugin) fn begin(&mut self, take: impl FnOnce(&mut Vec<Incoming>)) {
        self.finish();
        take(Arc::make_mut(&mut self.messages));
    }

    pub(in crate::plugin) fn messages(&self) -> &Arc<Vec<Incoming>> {
        &self.messages
    }

    /// All of them were handled.
    pub(in crate::plugin) fn finish(&mut self) {
        if !self.messages.is_empty() {
            // Nobody else has them any more, or a copy would be made first.
            Arc::make_mut(&mut self.messages).clear();
            self.begun.store(0, Ordering::Relaxed);
            self.answered = 0;
        }
    }

    /// The message being handled.
    pub(in crate::plugin) fn in_hand(&self) -> Option<&Incoming> {
        self.messages.get(self.begun.load(Ordering::Relaxed).checked_sub(1)?)
    }

    /// The same, once: to tell its requester that it failed.
    pub(in crate::plugin) fn take_failed(&mut self) -> Option<Incoming> {
        let begun = self.begun.load(Ordering::Relaxed);
        if begun == self.answered {
            return None;
        }
        self.answered = begun;
        self.in_hand().cloned()
    }

    /// Those not begun yet.
    pub(in crate::plugin) fn rest(&self) -> &[Incoming] {
        self.messages.get(self.begun.load(Ordering::Relaxed)..).unwrap_or_default()
    }

    /// Answers whether the guest has gone on since last time.
    fn look<'a>(&self, store: StoreContext<'a, State>) -> bool {
        let Some(place) = &self.place else { return false };
        if self.messages.is_empty() {
            return false;
        }
        let Some(count) = place.as_le_slice(store).first_chunk() else { return false };
        self.go_on_to(u32::from_le_bytes(*count) as usize)
    }

    /// So many were begun. That only grows, or a guest that counts to and fro would
    /// have its time anew for ever.
    fn go_on_to(&self, begun: usize) -> bool {
        let begun = begun.min(self.messages.len());
        let goes_on = begun > self.begun.load(Ordering::Relaxed);
        if goes_on {
            self.begun.store(begun, Ordering::Relaxed);
        }
        goes_on
    }
}

/// Finds out which message is in hand.
#[inline]
pub(in crate::plugin) fn look<'a>(store: impl Into<StoreContext<'a, State>>) {
    let store = store.into();
    let state = store.data();
    if state.group.look(store) {
        state.progress.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Message;

    #[test]
    fn a_guest_that_counts_to_and_fro_does_not_go_on() {
        let mut group = Group::new();
        let message = || Message::new("a", None, b"", b"");
        let messages = (1..=3).map(|sid| Incoming { client: 1, sid, message: message() });
        group.begin(|into| into.extend(messages));
        let counts = [1, 1, 2, 1, 2, 0, 9, 3, 2].map(|count| group.go_on_to(count));
        assert_eq!(counts, [true, false, true, false, false, false, true, false, false]);
        assert_eq!(group.in_hand().map(|incoming| incoming.sid), Some(3));
        group.finish();
        assert!(!group.go_on_to(1));
    }
}
