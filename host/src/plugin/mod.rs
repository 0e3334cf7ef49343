//! Plugins: WebAssembly components, their instances, and what they may call.
//!
//! [`Host`] loads components and runs them. Policy is asked for everything a
//! guest wants; connections are made and driven below. Nothing here knows of
//! files of settings or of a command line.

mod adapters;
mod asynchrony;
mod bindings;
mod bindings_foreign;
mod command;
mod component;
mod connections;
mod counters;
mod cpu_time;
mod engine;
mod error;
mod event;
mod host;
mod imports;
mod instance;
mod limiter;
mod linkers;
mod loaded;
mod mailbox;
mod progress;
mod replies;
mod reporter;
mod settings;
mod shard;
mod state;
mod stdio;
mod subscriptions;
mod supervisor;
mod ticker;
mod timers;

pub use adapters::Foreign;
pub use component::{Interfaces, Kind, MAX_COMPONENT_BYTES, inspect};
pub use counters::Counts;
pub use engine::CompileCache;
pub use error::{GuestError, LoadError};
pub use event::{Observer, PluginEvent};
pub use host::{Host, HostOptions, Plugin, Program, StartError};
pub use mailbox::MailboxLimits;
pub use settings::{ClientName, ComponentSource, HostSubscription, Limits, PluginSettings};
pub use ticker::TICK;
