//! Any names, headers and rules.

#![no_main]

use libfuzzer_sys::fuzz_target;
use simple_nats_fuzz::names::{Names, check};

fuzz_target!(|names: Names<'_>| check(&names));
