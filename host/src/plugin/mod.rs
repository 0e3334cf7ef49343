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
mod group;
mod handle;
mod host;
mod imports;
mod info;
mod instance;
mod limiter;
mod limits;
mod linkers;
mod loaded;
mod mailbox;
mod progress;
mod quota;
mod rate;
mod replies;
mod reporter;
mod requests;
mod scaling;
mod seat;
mod settings;
mod shard;
mod shared_connection;
mod state;
mod stdio;
mod subscriptions;
mod supervisor;
mod text;
mod ticker;
mod timers;
mod version;
mod wasi;

pub use adapters::Foreign;
pub use component::{Interfaces, Kind, inspect};
pub use counters::Counts;
pub use engine::CompileCache;
pub use error::{GuestError, LoadError, StartError};
pub use event::{Observer, PluginEvent};
pub use handle::Plugin;
pub use host::{Host, HostOptions, Program};
pub use info::{ConnectionInfo, InstanceInfo, PluginInfo, PluginStatus};
pub use limits::Limits;
pub use mailbox::MailboxLimits;
pub use scaling::{InstanceCount, InstanceCountError};
pub use seat::InstanceStatus;
pub use settings::{ClientName, ComponentSource, HostSubscription, PluginSettings};
pub use shared_connection::SharedConnection;
pub use ticker::TICK;
pub use wasi::{Directory, DirectoryError};
