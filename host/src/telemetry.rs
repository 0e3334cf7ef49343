//! Where log lines go: to standard error, for people or for machines.

mod writer;

use std::io::IsTerminal;

use anyhow::anyhow;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use self::writer::Writer;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log of the process, while lines may be on their way.
pub struct Log(Writer);

impl Log {
    /// Waits until all lines have been written, unless nobody takes them any more;
    /// false in that case.
    pub fn flush(&self) -> bool {
        self.0.settle()
    }
}

/// Starts logging for the whole process. Lines are written on a thread of their own,
/// and lost, and counted, if they are not taken for long.
///
/// # Errors
/// If the filter can't be understood, or logging was started before.
pub fn start(format: Option<LogFormat>, filter: &str) -> anyhow::Result<Log> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| anyhow!("log filter {filter:?} is not valid: {error}"))?;
    let terminal = std::io::stderr().is_terminal();
    let default = if terminal { LogFormat::Text } else { LogFormat::Json };
    let writer = Writer::start(std::io::stderr())?;
    let lines = fmt::Subscriber::builder().with_env_filter(filter).with_writer(writer.clone());
    let started = match format.unwrap_or(default) {
        LogFormat::Text => lines.with_ansi(terminal).with_target(false).compact().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("start logging: {error}"))?;
    Ok(Log(writer))
}
