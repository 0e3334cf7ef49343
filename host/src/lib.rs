//! Runs sandboxed WebAssembly components against NATS.
//!
//! Four layers, each of which knows only those above it in this list:
//!
//! 1. [`protocol`]: NATS bytes and rules. No sockets, no clock, no waiting.
//! 2. [`policy`]: pure decisions, such as whether a plugin may use a subject.
//! 3. [`connection`]: sockets, handshake, reconnecting. Drives `protocol`.
//! 4. [`plugin`]: components and what they may call. Asks `policy`, talks to
//!    `connection`.
//!
//! [`config`] reads from a file what the plugins of a host are and may do;
//! [`admin`] shows a host to its operators over HTTP; [`cli`] and [`telemetry`]
//! only assemble them into the program `simple-nats`.
//!
//! # As a library
//!
//! A [`Host`](plugin::Host) takes plugins, while it runs, and an
//! [`Observer`](plugin::Observer) learns what happens to them:
//!
//! ```ignore
#![doc = include_str!("../examples/embed.rs")]
//! ```

pub mod admin;
pub mod cli;
pub mod config;
pub mod connection;
pub mod plugin;
pub mod policy;
pub mod protocol;
pub mod telemetry;
pub mod testing;
mod time;
