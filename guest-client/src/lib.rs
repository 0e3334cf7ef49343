//! NATS plugins for the simple-nats host, in plain synchronous Rust: connect,
//! subscribe with a callback, publish, request. The host owns the socket and the
//! protocol; a plugin owns its callbacks and whatever they close over.
//!
//! # A plugin
//!
//! A crate of type `cdylib`, built for `wasm32-wasip2`:
//!
//! ```no_run
//! use simple_nats_guest::{Error, Message, NatsClient};
//!
//! simple_nats_guest::plugin!(start);
//!
//! fn start() -> Result<(), Error> {
//!     let nats = NatsClient::connect(None)?;
//!     nats.subscribe("echo", Some("echoers"), |message: Message| {
//!         message.respond(message.payload())
//!     })?;
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! # State
//!
//! One callback runs at a time, so a closure simply owns what it changes:
//!
//! ```no_run
//! # use simple_nats_guest::{Error, Message, NatsClient};
//! # fn start() -> Result<(), Error> {
//! let nats = NatsClient::connect(None)?;
//! let mut seen = 0;
//! nats.subscribe("jobs.>", None, move |message: Message| {
//!     seen += 1;
//!     nats.publish("jobs-seen", seen.to_string())?;
//!     if seen == 100 {
//!         nats.unsubscribe(message.sid(), None)?;
//!     }
//!     Ok::<_, Error>(())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # Requests
//!
//! ```no_run
//! # use {simple_nats_guest::{Error, NatsClient}, std::time::Duration};
//! # fn start() -> Result<(), Error> {
//! # let nats = NatsClient::connect(None)?;
//! // Called back with the answer, or with why there is none …
//! nats.request("time", "", |answer| println!("{answer:?}"))?;
//!
//! // … or waited for, while other plugins go on.
//! let answer = nats.request_and_wait("time", "", Duration::from_secs(1))?;
//! # Ok(())
//! # }
//! ```
//!
//! # A program
//!
//! The same in an ordinary `main`, which takes deliveries when it wants to:
//!
//! ```no_run
//! # use {simple_nats_guest::{Error, Message, NatsClient}, std::time::Duration};
//! fn main() -> Result<(), Error> {
//!     let nats = NatsClient::connect(None)?;
//!     nats.subscribe("news", None, |message: Message| println!("{message:?}"))?;
//!     nats.wait(10, Duration::from_secs(60))?; // ten messages or a minute
//!     nats.run() // until the host stops
//! }
//! ```
//!
//! With the feature `serde_json`, `Message::json` and `Message::respond_json`
//! read and write JSON.

mod answer;
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, reason = "generated code")]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "generated code")]
#[allow(unused_qualifications, clippy::semicolon_if_nothing_returned, reason = "generated code")]
pub mod bindings;
mod callbacks;
mod client;
mod dispatch;
mod error;
#[doc(hidden)]
pub mod export;
mod headers;
mod ids;
mod info;
mod message;
mod options;
mod outbox;
mod room;
mod timers;

pub use answer::{Answer, Outcome};
pub use client::NatsClient;
pub use dispatch::{run, wait};
pub use error::Error;
pub use headers::{Headers, Status};
pub use ids::{RequestId, Sid, TimerId};
pub use info::{ConnectionStatus, Event, PendingCounts, ServerInfo, Statistics};
pub use message::Message;
pub use options::{ClientBuilder, PublishOptions, RequestOptions};
pub use timers::{cancel_timer, set_interval, set_timer};
