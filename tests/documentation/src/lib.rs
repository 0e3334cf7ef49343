//! The examples of the documentation, which need to compile.

#![allow(unused, clippy::all, reason = "they are written to be read")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use simple_nats_guest::{
    Answer, Error, Event, Headers, Message, NatsClient, PublishOptions, RequestOptions,
    cancel_timer, set_interval, set_timer,
};

/// What an example leaves to the reader.
fn start() -> Result<(), Error> {
    Ok(())
}

/// Another one's.
fn greeting(name: &str) -> Result<String, Error> {
    Ok(format!("hello {name}"))
}

include!(concat!(env!("OUT_DIR"), "/examples.rs"));
