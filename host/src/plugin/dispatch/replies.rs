//! Remembers who has lately asked for an answer, so that answering late, from
//! another callback, needs no permission either.

use std::hash::{BuildHasher, RandomState};

/// How many askers are remembered. The oldest is forgotten first.
const CAPACITY: usize = 4_096;

/// Subjects on which answers are awaited: hashes of them, since keeping the text
/// of each would cost every message a copy. The key is random, so that a guest
/// can't find a subject that is taken for another.
pub(in crate::plugin) struct AwaitedReplies {
    hasher: RandomState,
    hashes: Vec<u64>,
    next: usize,
}

impl AwaitedReplies {
    pub(in crate::plugin) fn new() -> Self {
        Self { hasher: RandomState::new(), hashes: Vec::new(), next: 0 }
    }

    /// A message that asks for an answer here, on this connection, has been handed
    /// over.
    pub(in crate::plugin) fn remember(&mut self, client: u32, reply_to: &[u8]) {
        let hash = self.hasher.hash_one((client, reply_to));
        match self.hashes.get_mut(self.next) {
            Some(oldest) => *oldest = hash,
            None => self.hashes.push(hash),
        }
        self.next = (self.next + 1) % CAPACITY;
    }

    /// Whether one of the last askers wants its answer here.
    pub(in crate::plugin) fn contains(&self, client: u32, subject: &str) -> bool {
        // Only what no rule allows is looked for, so it need not be fast.
        let hash = || self.hasher.hash_one((client, subject.as_bytes()));
        !self.hashes.is_empty() && self.hashes.contains(&hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_askers_are_known_and_no_others() {
        let mut awaited = AwaitedReplies::new();
        assert!(!awaited.contains(1, "_INBOX.0"));
        for n in 0..=CAPACITY {
            awaited.remember(1, format!("_INBOX.{n}").as_bytes());
        }
        assert!(!awaited.contains(1, "_INBOX.0"), "the oldest is forgotten");
        assert!(awaited.contains(1, "_INBOX.1"));
        assert!(awaited.contains(1, &format!("_INBOX.{CAPACITY}")));
        assert!(!awaited.contains(1, "_INBOX"));
        assert!(!awaited.contains(2, "_INBOX.1"), "it came by another connection");
    }
}
