//! Plugins: WebAssembly components, their instances, and what they may call.
//!
//! [`Host`] loads components and runs them. Policy is asked for everything a
//! guest wants; connections are made and driven below. Nothing here knows of
//! files of settings or of a command line.

mod adapters;
mod connections;
mod dispatch;
mod error;
mod host;
mod imports;
mod lifecycle;
mod limits;
mod loading;
mod reporting;
mod scheduling;
mod settings;
mod shared_connection;
mod state;
mod wasi;

pub use adapters::Foreign;
pub use dispatch::mailbox::MailboxLimits;
pub use error::{GuestError, LoadError, StartError};
pub use host::{Host, HostOptions, Program};
pub use lifecycle::handle::Plugin;
pub use lifecycle::scaling::{InstanceCount, InstanceCountError};
pub use lifecycle::seat::InstanceStatus;
pub use limits::Limits;
pub use loading::compile_cache::CompileCache;
pub use loading::component::{Interfaces, Kind};
pub use loading::inspection::{Inspection, inspect};
pub use reporting::counters::Counts;
pub use reporting::event::{Observer, PluginEvent};
pub use reporting::info::{ConnectionInfo, InstanceInfo, PluginInfo, PluginStatus};
pub use scheduling::ticker::TICK;
pub use settings::{ClientName, ComponentSource, HostSubscription, PluginSettings};
pub use shared_connection::SharedConnection;
pub use wasi::{Directory, DirectoryError};
