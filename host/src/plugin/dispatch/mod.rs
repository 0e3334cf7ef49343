//! What is on its way to a guest, and what a guest waits for.

pub(in crate::plugin) mod group;
pub(in crate::plugin) mod mailbox;
pub(in crate::plugin) mod outbox;
pub(in crate::plugin) mod replies;
pub(in crate::plugin) mod requests;
pub(in crate::plugin) mod subscription;
pub(in crate::plugin) mod subscriptions;
pub(in crate::plugin) mod timers;
