//! Remembers who has lately asked for an answer, so that answering late, from
//! another callback, needs no permission either.

use std::hash::{BuildHasher, RandomState};

/// How many askers are remembered. The oldest is forgotten first.
const CAPACITY: usize = 4_096;

/// Subjects on which answers are awaited: hashes of them, since keeping the text
/// of each would cost every message a copy. The key is random, so that a guest
/// can't find a subject that is taken for another.
pub(super) struct AwaitedReplies {
    hasher: RandomState,
    hashes: Vec<u64>,
    next: usize,
}

impl AwaitedReplies {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), hashes: Vec::new(), next: 0 }
    }

    /// A message that asks for an answer here has been handed over.
    pub(super) fn remember(&mut self, reply_to: &[u8]) {
        let hash = self.hasher.hash_one(reply_to);
        match self.hashes.get_mut(self.next) {
            Some(oldest) => *oldest = hash,
            None => self.hashes.push(hash),
        }
        self.next = (self.next + 1) % CAPACITY;
    }

    /// Whether one of the last askers wants its answer here.
    pub(super) fn contains(&self, subject: &str) -> bool {
        // Only what no rule allows is looked for, so it need not be fast.
        !self.hashes.is_empty() && self.hashes.contains(&self.hasher.hash_one(subject.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_askers_are_known_and_no_others() {
        let mut awaited = AwaitedReplies::new();
        assert!(!awaited.contains("_INBOX.0"));
        for n in 0..=CAPACITY {
            awaited.remember(format!("_INBOX.{n}").as_bytes());
        }
        assert!(!awaited.contains("_INBOX.0"), "the oldest is forgotten");
        assert!(awaited.contains("_INBOX.1"));
        assert!(awaited.contains(&format!("_INBOX.{CAPACITY}")));
        assert!(!awaited.contains("_INBOX"));
    }
}
