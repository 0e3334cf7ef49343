//! `simple-nats request`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::exit::Failure;
use super::messages::{self, Arrival, Arrivals};
use super::server::{self, ServerArguments};
use crate::protocol::{Message, RequestError, RequestOptions, Subject};

/// Send a request and print its answer.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats request echo hello
  simple-nats request rpc.worker --timeout 500ms - < call.msgpack
  simple-nats request '$SRV.PING' --replies 0 --timeout 1s")]
pub(super) struct Request {
    /// Where to.
    subject: String,

    /// What; `-` reads standard input. Default: nothing.
    payload: Option<String>,

    /// Header field; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    headers: Vec<String>,

    /// How long to wait.
    #[arg(short, long, default_value = "5s", value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// How many answers to wait for; 0: all that come in time.
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    replies: u32,

    #[command(flatten)]
    server: ServerArguments,
}

impl Request {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let subject = Subject::new(&self.subject).map_err(|error| Failure::Usage(error.into()))?;
        let headers = messages::headers(&self.headers)?;
        let payload = messages::payload(self.payload.as_deref())?;
        let (client, _servers) = self.server.connect().await?;
        let (receiver, mut arrivals) = Arrivals::channel();
        let options =
            RequestOptions { timeout: self.timeout, max_replies: self.replies, stall: None };
        client
            .request(subject, headers.as_bytes(), &payload, &options, receiver, 0)
            .map_err(|error| Failure::Failed(error.into()))?;
        while let Some(arrival) = arrivals.recv().await {
            let Arrival::Answer { answer, last } = arrival else { continue };
            match answer {
                Ok(Some(message)) => print(&message)?,
                Ok(None) => {}
                Err(error) => return Err(self.failure(&error)),
            }
            if last {
                break;
            }
        }
        server::finish(&client).await?;
        Ok(ExitCode::SUCCESS)
    }

    fn failure(&self, error: &RequestError) -> Failure {
        let (subject, timeout) = (&self.subject, self.timeout);
        Failure::Failed(match error {
            RequestError::Timeout => anyhow!("no answer on {subject:?} within {timeout:?}"),
            RequestError::NoResponders => anyhow!("nobody listens on {subject:?}"),
            other => anyhow!("request on {subject:?}: {other}"),
        })
    }
}

/// The payload; an answer that is an error is one for this command too.
fn print(message: &Message) -> Result<(), Failure> {
    if let Some(error) = messages::header(message, "Nats-Service-Error") {
        let code = messages::header(message, "Nats-Service-Error-Code").unwrap_or_default();
        return Err(Failure::Failed(anyhow!("the service answered error {code}: {error}")));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(message.payload())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
