//! Any course of a connection.

#![no_main]

use libfuzzer_sys::fuzz_target;
use simple_nats_fuzz::session::{Script, check};

fuzz_target!(|script: Script| check(&script));
