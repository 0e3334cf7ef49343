//! `simple-nats pub`

use std::process::ExitCode;

use clap::Args;

use super::exit::Failure;
use super::messages;
use super::server::{self, ServerArguments};
use crate::protocol::Subject;

/// Publish a message.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats pub orders.new 'three apples'
  simple-nats pub orders.new --header 'Trace-Id: 7' - < order.json")]
pub(super) struct Publish {
    /// Where to.
    subject: String,

    /// What; `-` reads standard input. Default: nothing.
    payload: Option<String>,

    /// Header field; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,

    /// Where an answer is expected.
    #[arg(long, value_name = "SUBJECT")]
    reply_to: Option<String>,

    /// How often.
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    count: u64,

    #[command(flatten)]
    server: ServerArguments,
}

impl Publish {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let usage = |error: crate::protocol::SubjectError| Failure::Usage(error.into());
        let subject = Subject::new(&self.subject).map_err(usage)?;
        let reply_to = self.reply_to.as_deref().map(Subject::new).transpose().map_err(usage)?;
        let headers = messages::headers(&self.headers)?;
        let payload = messages::payload(self.payload.as_deref())?;
        let (client, _servers) = self.server.connect().await?;
        for _ in 0..self.count {
            loop {
                match client.publish(subject, reply_to, headers.as_bytes(), &payload) {
                    Err(crate::protocol::SessionError::BufferFull { .. })
                        if client.room().await => {}
                    result => break result.map_err(|error| Failure::Failed(error.into()))?,
                }
            }
        }
        server::finish(&client).await?;
        Ok(ExitCode::SUCCESS)
    }
}
