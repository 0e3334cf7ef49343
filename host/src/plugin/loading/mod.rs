//! From the bytes of a component to what instances are made of.

mod asynchrony;
pub(in crate::plugin) mod bindings;
pub(in crate::plugin) mod bindings_foreign;
mod catalogue;
pub(in crate::plugin) mod compile_cache;
pub(in crate::plugin) mod component;
pub(in crate::plugin) mod engine;
pub(in crate::plugin) mod inspection;
pub(in crate::plugin) mod linkers;
pub(in crate::plugin) mod loaded;
#[cfg(target_os = "linux")]
mod stacks;
