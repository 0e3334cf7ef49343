//! Any bytes of a server, in any portions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use simple_nats_fuzz::decode::{Stream, check};

fuzz_target!(|stream: Stream<'_>| check(&stream));
