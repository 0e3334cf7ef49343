//! The `simple-nats` program: see `simple-nats --help`.

use std::process::ExitCode;

use clap::Parser;
use simple_nats::cli::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::parse())
}
