//! The layers `protocol` and `policy` of the host, and work for them.
//!
//! Their sources are taken from the host's folder, since the host as a whole can't
//! run under valgrind, and so that they are compiled in one way wherever they are
//! counted: with the optimisations of a release, in one unit. That they compile alone
//! shows that they know of no layer behind them.

#[path = "../../../host/src/policy/mod.rs"]
pub mod policy;
#[path = "../../../host/src/protocol/mod.rs"]
pub mod protocol;
pub mod work;
