//! Tests of the host with whole plugins, real components, against real servers: what
//! each does stands in the head of its file.
//!
//! One program for all that may run side by side, since to build one takes longer
//! than to run it; those that need the machine for themselves, or that use the host
//! as a library, are others.

mod harness;
mod program;
mod second;

mod admin;
mod command_line;
mod commands;
mod connecting;
mod dev;
mod examples;
mod foreign;
mod guests;
mod languages;
mod limits;
mod limits_that_end;
mod login;
mod manifest;
mod manifest_reload;
mod parity;
mod permissions;
mod publishing;
mod reload;
mod requests;
mod secure;
mod stopping;
mod tools;
mod unread_log;
mod wasi;
mod wire;
