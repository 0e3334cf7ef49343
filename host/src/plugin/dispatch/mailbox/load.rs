//! How much waits, and how much may.

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

/// The limit for which a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Overflow {
    pub(in crate::plugin) limit: &'static str,
    pub(in crate::plugin) current: usize,
    pub(in crate::plugin) desired: usize,
    pub(in crate::plugin) maximum: usize,
}
