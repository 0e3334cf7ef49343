//! Flags that say what plugins may do.

use clap::Args;

use super::exit::Failure;
use crate::policy::{Policy, QueueRules, ServerRules, SubjectRules};
use crate::protocol::SubjectError;

/// What is allowed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Permissions")]
pub(super) struct Permissions {
    /// Subject or pattern to which it may publish and send requests; repeatable.
    /// Answering a message is always allowed.
    #[arg(long, value_name = "PATTERN")]
    allow_publish: Vec<String>,

    /// Subject or pattern to which it may subscribe; repeatable.
    #[arg(long, value_name = "PATTERN")]
    allow_subscribe: Vec<String>,

    /// Subject or pattern to which it may send requests, but not publish;
    /// repeatable.
    #[arg(long, value_name = "PATTERN")]
    allow_request: Vec<String>,

    /// Queue group, or pattern of their names, that it may join; repeatable.
    #[arg(long, value_name = "GROUP")]
    allow_queue_group: Vec<String>,

    /// Another server that it may open; repeatable.
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_connect: Vec<String>,

    /// Allow everything.
    #[arg(short = 'A', long)]
    allow_all: bool,

    /// Allow everything, and print in the end the least that would have sufficed.
    #[arg(long, conflicts_with_all = [
        "allow_publish", "allow_subscribe", "allow_request", "allow_queue_group",
        "allow_connect", "allow_all",
    ])]
    pub(super) learn: bool,
}

impl Permissions {
    pub(super) fn policy(&self) -> Result<Policy, Failure> {
        if self.allow_all {
            return Ok(Policy::allow_all());
        }
        let usage = |error: SubjectError| Failure::Usage(error.into());
        let mut policy = Policy::deny_all();
        policy.publish = SubjectRules::new(strs(&self.allow_publish)).map_err(usage)?;
        policy.subscribe = SubjectRules::new(strs(&self.allow_subscribe)).map_err(usage)?;
        policy.request = SubjectRules::new(strs(&self.allow_request)).map_err(usage)?;
        policy.queue_groups = QueueRules::new(strs(&self.allow_queue_group)).map_err(usage)?;
        policy.servers = ServerRules::new(strs(&self.allow_connect))
            .map_err(|error| Failure::Usage(error.into()))?;
        Ok(policy)
    }
}

fn strs(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().map(String::as_str)
}
