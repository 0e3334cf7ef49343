//! A plugin from its start to its end: instances, versions, supervision.

pub(in crate::plugin) mod command;
pub(in crate::plugin) mod handle;
pub(in crate::plugin) mod instance;
pub(in crate::plugin) mod scaling;
pub(in crate::plugin) mod seat;
pub(in crate::plugin) mod supervisor;
pub(in crate::plugin) mod version;
