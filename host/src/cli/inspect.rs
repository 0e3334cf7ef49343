//! `simple-nats inspect`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::Failure;
use crate::plugin::{self, Inspection, Kind};

/// Show what a component is and what it needs, without running it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats inspect echo.wasm
  simple-nats inspect echo.wasm --json

Exit codes: 0 if this host can run it, 3 if not.")]
pub(super) struct Inspect {
    /// The component.
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    #[expect(clippy::print_stdout, reason = "its output is what the command is for")]
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let report = Report(plugin::inspect(&self.component)?);
        if self.json {
            println!("{}", report.json());
        } else {
            print!("{}", report.text());
        }
        Ok(if report.0.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

struct Report(Inspection);

impl Report {
    fn world(&self) -> &'static str {
        match self.0.interfaces.kind() {
            Ok(Kind::Plugin { batch: false }) => "plugin",
            Ok(Kind::Plugin { batch: true }) => "batch-plugin",
            Ok(Kind::Foreign(foreign)) => foreign.export(),
            Ok(Kind::Command) => "command",
            Err(_) => "none that this host runs",
        }
    }

    fn json(&self) -> serde_json::Value {
        let Inspection { interfaces, size_bytes, problem, .. } = &self.0;
        serde_json::json!({
            "world": self.world(),
            "size_bytes": size_bytes,
            "imports": interfaces.imports,
            "exports": interfaces.exports,
            "restricted": self.restricted(),
            "runs_here": problem.is_none(),
            "problem": problem.as_ref().map(ToString::to_string),
        })
    }

    /// What of its imports it does not get, or not without a flag.
    fn restricted(&self) -> BTreeMap<&str, &'static str> {
        self.0.interfaces.restricted_imports().into_iter().collect()
    }

    fn text(&self) -> String {
        let restricted = self.restricted();
        let Inspection { interfaces, size_bytes, problem, .. } = &self.0;
        let mut text = format!("world    {}\nsize     {size_bytes} bytes\n", self.world());
        for (title, names) in [("exports", &interfaces.exports), ("imports", &interfaces.imports)] {
            for (index, name) in names.iter().enumerate() {
                let title = if index == 0 { title } else { "" };
                text.push_str(&format!("{title:<8} {name}"));
                if let Some(how) = restricted.get(name.as_str()) {
                    text.push_str(&format!("  ({how})"));
                }
                text.push('\n');
            }
        }
        text.push_str(&match problem {
            None => "verdict  runs on this host\n".to_owned(),
            Some(problem) => format!("verdict  does not run here: {problem}\n"),
        });
        text
    }
}
