//! What is told of plugins: events, counters, states.

pub(in crate::plugin) mod counters;
pub(in crate::plugin) mod event;
pub(in crate::plugin) mod info;
pub(in crate::plugin) mod reporter;
pub(in crate::plugin) mod text;
