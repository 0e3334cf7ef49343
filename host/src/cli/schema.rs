//! `simple-nats schema`

use std::process::ExitCode;

use clap::Args;

use super::exit::Failure;
use crate::config;

/// Print the JSON schema of manifests, for editors.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats schema > plugins.schema.json
Editors that know Even Better TOML or Taplo find it by a first line in the manifest:
  #:schema plugins.schema.json")]
pub(super) struct PrintSchema {}

impl PrintSchema {
    #[expect(clippy::print_stdout, reason = "its output is what the command is for")]
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        println!("{:#}", config::schema());
        Ok(ExitCode::SUCCESS)
    }
}
