//! `simple-nats reload`, `restart` and `drain`

use std::process::ExitCode;

use clap::Args;

use super::admin::{AdminClient, Output};
use super::exit::Failure;
use super::ps;

/// What is to be done with a plugin of a running host.
#[derive(Debug, Args)]
pub(super) struct Operate {
    /// The plugin, by the name that `ps` shows.
    name: String,

    /// How the plugin is shown afterwards. Default: a table on a terminal, else
    /// JSON.
    #[arg(long, value_enum)]
    output: Option<Output>,

    #[command(flatten)]
    admin: AdminClient,
}

impl Operate {
    /// `action` is what the admin port calls it.
    pub(super) fn run(&self, action: &str) -> Result<ExitCode, Failure> {
        let answer = self.admin.act(&self.name, action)?;
        ps::show(Output::or_suitable(self.output), &answer)
    }
}
