//! Parts that tests are made of: a real `nats-server`, a scripted one, a faulty
//! network, the host binary, and the guests it runs.
//!
//! Everything that is started here ends when its value is dropped, every wait
//! has a [`DEADLINE`], and every failure says what was awaited and what was
//! seen instead. Nothing here knows the host's own types: a test sees the host
//! as its users do, through the socket, its log and its exit status.

mod accounts;
mod artifacts;
mod certificates;
mod deadline;
mod fake_server;
mod host;
mod http;
mod lines;
mod machine;
mod process;
mod proxy;
mod server;
mod usage;

pub use accounts::Accounts;
pub use artifacts::{guest, nats_server_binary};
pub use certificates::{Authority, Identity};
pub use deadline::{DEADLINE, eventually, within, within_time};
pub use fake_server::{FakeConnection, FakeServer, INFO};
pub use host::{Finished, HostProcess, LogLine};
pub use http::{HttpAnswer, http};
pub use lines::Lines;
pub use machine::{Machine, Share};
pub use process::{Process, Signal};
pub use proxy::{Mode, Proxy};
pub use server::{NatsServer, ServerBuilder};
pub use tempfile::TempDir;
pub use usage::{Usage, time_of_shards};
