//! The attack suite: each test lets one hostile component loose and shows what it
//! got, that the host stood, and that a neighbour was served all the while.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../program/mod.rs"]
mod program;
#[path = "../second/mod.rs"]
mod second;

mod arena;
mod neighbour;
mod sections;
mod service;

mod contract;
mod floods;
mod foreign;
mod handles;
mod isolation;
mod loading;
mod manifests;
mod memory;
mod names;
mod reloads;
mod system;
mod time;
mod traps;
