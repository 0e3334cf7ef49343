//! The threads that guests run on, and how they share them.

pub(in crate::plugin) mod cpu_time;
pub(in crate::plugin) mod progress;
pub(in crate::plugin) mod shard;
pub(in crate::plugin) mod ticker;
