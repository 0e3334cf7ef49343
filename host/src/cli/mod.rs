//! The command line: one file for each command. Assembles the layers and knows
//! nothing that they don't.

mod admin;
mod build;
mod check;
mod context;
mod dev;
mod embedded;
mod exit;
mod grants;
mod host;
mod inspect;
mod learning;
mod login;
mod messages;
mod new;
mod operate;
mod permissions;
mod ps;
mod publish;
mod request;
mod run;
mod schema;
mod server;
mod serving;
mod signals;
mod subscribe;
mod up;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::{self, LogFormat};

/// Run sandboxed WebAssembly plugins against NATS.
///
/// A plugin is a WebAssembly component that subscribes, publishes and requests
/// through its host. It may do what its operator allows and nothing else.
#[derive(Debug, Parser)]
#[command(
    name = "simple-nats",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Write a plugin:
  simple-nats new greeter && cd greeter && simple-nats dev

Run one, with a server for the while:
  simple-nats run echo.wasm --server embedded --allow-subscribe echo

Exit codes:
  0  done          1  it failed: a plugin gave up, a request got no answer
  2  bad usage, or a manifest that makes no sense
  3  the component can't be loaded
  4  no server     otherwise the exit code of the command that was run"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// How log lines look. Default: text on a terminal, else JSON.
    #[arg(long, global = true, value_enum, help_heading = "Logging")]
    log_format: Option<LogFormat>,

    /// Which log lines to show, such as `debug` or `simple_nats=trace`.
    #[arg(
        long,
        global = true,
        env = "SIMPLE_NATS_LOG",
        default_value = "info",
        value_name = "FILTER",
        help_heading = "Logging"
    )]
    log_filter: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Dev(dev::Dev),
    Run(Box<run::Run>),
    Up(up::Up),
    Check(check::Check),
    Schema(schema::PrintSchema),
    Inspect(inspect::Inspect),
    Pub(publish::Publish),
    Sub(subscribe::Subscribe),
    Request(request::Request),
    Ps(ps::Ps),
    /// Let a new version of a plugin take over from the one that runs.
    ///
    /// Its component is loaded anew. If the new version does not start, the old one
    /// serves on, and the reason is told.
    #[command(after_help = "Examples:\n  simple-nats reload orders")]
    Reload(operate::Operate),
    /// Replace the instances of a plugin by fresh ones of the same code.
    ///
    /// One that is quarantined or stopped is started.
    #[command(after_help = "Examples:\n  simple-nats restart orders")]
    Restart(operate::Operate),
    /// Let a plugin work off what it has, and end.
    ///
    /// It can be restarted.
    #[command(after_help = "Examples:\n  simple-nats drain orders")]
    Drain(operate::Operate),
}

/// Does what the command line says.
pub fn run(arguments: Arguments) -> ExitCode {
    let log = match telemetry::start(arguments.log_format, &arguments.log_filter) {
        Ok(log) => log,
        Err(error) => return exit::fail(&exit::Failure::Usage(error)),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::fail(&exit::Failure::Failed(error.into())),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::New(new) => new.run(),
            Command::Dev(dev) => dev.run().await,
            Command::Run(run) => run.run().await,
            Command::Up(up) => up.run().await,
            Command::Check(check) => check.run().await,
            Command::Schema(schema) => schema.run(),
            Command::Inspect(inspect) => inspect.run().await,
            Command::Pub(publish) => publish.run().await,
            Command::Sub(subscribe) => subscribe.run().await,
            Command::Request(request) => request.run().await,
            Command::Ps(ps) => ps.run(),
            Command::Reload(operate) => operate.run("reload"),
            Command::Restart(operate) => operate.run("restart"),
            Command::Drain(operate) => operate.run("drain"),
        }
    });
    // Work that nobody waits for any more must not hold up the exit.
    runtime.shutdown_background();
    let is_read = log.flush();
    outcome.unwrap_or_else(|failure| if is_read { exit::fail(&failure) } else { failure.code() })
}
