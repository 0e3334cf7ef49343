//! `simple-nats sub`

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::exit::Failure;
use super::messages::{Arrival, Arrivals};
use super::server::{self, ServerArguments};
use super::signals::Stops;
use crate::protocol::{Message, QueueGroup, SubjectPattern};

/// Print the messages of a subject until Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats sub 'orders.>'
  simple-nats sub orders.new --queue workers --count 10 --raw")]
pub(super) struct Subscribe {
    /// Subject or pattern.
    subject: String,

    /// Share the messages with the other members of this queue group.
    #[arg(short, long, value_name = "GROUP")]
    queue: Option<String>,

    /// End after so many messages.
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,

    /// Print payloads only, each with a line end.
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    server: ServerArguments,
}

impl Subscribe {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let usage = |error: crate::protocol::SubjectError| Failure::Usage(error.into());
        let pattern = SubjectPattern::new(&self.subject).map_err(usage)?;
        let queue = self.queue.as_deref().map(QueueGroup::new).transpose().map_err(usage)?;
        let (client, _servers) = self.server.connect().await?;
        let (receiver, mut arrivals) = Arrivals::channel();
        let failed = |error: crate::protocol::SessionError| Failure::Failed(error.into());
        let mut stops = Stops::new()?;
        let sid = client.subscribe(pattern, queue, receiver, 0).map_err(failed)?;
        if let Some(count) = self.count {
            client.unsubscribe(sid, Some(count)).map_err(failed)?;
        }
        client.flush(server::FLUSH).await.map_err(|error| Failure::Failed(error.into()))?;
        tracing::info!(subject = self.subject, "listening");
        let mut printed = 0;
        while self.count.is_none_or(|count| printed < count) {
            let arrival = tokio::select! {
                arrival = arrivals.recv() => arrival,
                () = stops.next() => None,
            };
            match arrival {
                Some(Arrival::Message(message)) => {
                    printed += 1;
                    self.print(printed, &message)?;
                }
                Some(Arrival::Ended(reason)) => {
                    return Err(Failure::Failed(anyhow!("the subscription ended: {reason:?}")));
                }
                Some(Arrival::Answer { .. }) => {}
                None => break,
            }
        }
        stops.end_at_next();
        // What was sent to this member of a queue group, no other one gets.
        client.end_subscriptions(server::FLUSH).await;
        while let Ok(Arrival::Message(message)) = arrivals.try_recv() {
            printed += 1;
            self.print(printed, &message)?;
        }
        server::finish(&client).await?;
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, number: u64, message: &Message) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.raw {
            write!(out, "[#{number}] {}", String::from_utf8_lossy(message.subject()))?;
            if let Some(reply_to) = message.reply_to() {
                write!(out, " reply-to {}", String::from_utf8_lossy(reply_to))?;
            }
            writeln!(out)?;
            for (name, value) in message.headers().fields() {
                out.write_all(&[name, b": ", value, b"\n"].concat())?;
            }
        }
        out.write_all(message.payload())?;
        writeln!(out)?;
        out.flush()
    }
}
