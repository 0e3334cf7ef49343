//! How much waits, and how much may.

use rustc_hash::FxHashMap;

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
    pub(super) fn remove(&mut self, size: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }

    pub(super) fn with(self, size: usize) -> Self {
        Self { messages: self.messages + 1, bytes: self.bytes.saturating_add(size) }
    }

    pub(super) fn fits(self, most: Self) -> bool {
        self.messages <= most.messages && self.bytes <= most.bytes
    }

    pub(super) fn half(self) -> Self {
        Self { messages: self.messages / 2, bytes: self.bytes / 2 }
    }
}

/// What waits of each subscription.
#[derive(Default)]
pub(super) struct Loads {
    /// Of the one that a message came for last: mostly the next is for it too.
    last: (u64, Load),
    /// Of the others of which something waits.
    others: FxHashMap<u64, Load>,
}

impl Loads {
    pub(super) fn of(&self, sid: u64) -> Load {
        match self.last {
            (last, load) if last == sid => load,
            _ => self.others.get(&sid).copied().unwrap_or_default(),
        }
    }

    pub(super) fn set(&mut self, sid: u64, load: Load) {
        if self.last.0 != sid {
            self.change(sid);
        }
        self.last.1 = load;
    }

    #[cold]
    fn change(&mut self, sid: u64) {
        let (before, load) = self.last;
        if load.messages > 0 {
            self.others.insert(before, load);
        }
        self.others.remove(&sid);
        self.last.0 = sid;
    }

    /// A message of this size waits no more.
    pub(super) fn remove(&mut self, sid: u64, size: usize) {
        if self.last.0 == sid {
            return self.last.1.remove(size);
        }
        if let Some(load) = self.others.get_mut(&sid) {
            load.remove(size);
            if load.messages == 0 {
                self.others.remove(&sid);
            }
        }
    }
}

/// The limit for which a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Overflow {
    pub(in crate::plugin) limit: &'static str,
    pub(in crate::plugin) current: usize,
    pub(in crate::plugin) desired: usize,
    pub(in crate::plugin) maximum: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn load_of_a_subscription_is_what_came_and_was_not_removed(
            steps in prop::collection::vec((0..4_u64, any::<bool>()), 0..40),
        ) {
            let (mut loads, mut expected) = (Loads::default(), [Load::default(); 4]);
            for (sid, comes) in steps {
                let known = &mut expected[sid as usize];
                if comes {
                    *known = known.with(10);
                    loads.set(sid, loads.of(sid).with(10));
                } else {
                    known.remove(10);
                    loads.remove(sid, 10);
                }
                for (sid, load) in (0..).zip(expected) {
                    prop_assert_eq!(loads.of(sid), load);
                }
                prop_assert!(loads.others.values().all(|load| load.messages > 0));
            }
        }
    }
}
