//! `simple-nats inspect`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::Failure;
use crate::plugin::{self, Interfaces, Kind};

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
        let (interfaces, size_bytes) = plugin::inspect(&self.component)?;
        let report = Report::new(&interfaces, size_bytes);
        if self.json {
            println!("{}", report.json());
        } else {
            print!("{}", report.text());
        }
        Ok(if report.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

struct Report<'a> {
    world: &'static str,
    size_bytes: u64,
    interfaces: &'a Interfaces,
    problem: Option<String>,
}

impl<'a> Report<'a> {
    fn new(interfaces: &'a Interfaces, size_bytes: u64) -> Self {
        let unknown = interfaces.unknown_imports();
        let (world, problem) = match interfaces.kind() {
            Ok(Kind::Plugin { batch: false }) => ("plugin", None),
            Ok(Kind::Plugin { batch: true }) => ("batch-plugin", None),
            Ok(Kind::Foreign(foreign)) => (foreign.export(), None),
            Ok(Kind::Command) => ("command", None),
            Err(missing) => ("none that this host runs", Some(missing)),
        };
        let problem = problem.or_else(|| {
            (!unknown.is_empty())
                .then(|| format!("nothing in this host provides {}", unknown.join(", ")))
        });
        Self { world, size_bytes, interfaces, problem }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "world": self.world,
            "size_bytes": self.size_bytes,
            "imports": self.interfaces.imports,
            "exports": self.interfaces.exports,
            "restricted": self.restricted(),
            "runs_here": self.problem.is_none(),
            "problem": self.problem,
        })
    }

    /// What of its imports it does not get, or not without a flag.
    fn restricted(&self) -> BTreeMap<&str, &'static str> {
        self.interfaces.restricted_imports().into_iter().collect()
    }

    fn text(&self) -> String {
        let restricted = self.restricted();
        let mut text = format!("world    {}\nsize     {} bytes\n", self.world, self.size_bytes);
        for (title, names) in
            [("exports", &self.interfaces.exports), ("imports", &self.interfaces.imports)]
        {
            for (index, name) in names.iter().enumerate() {
                let title = if index == 0 { title } else { "" };
                text.push_str(&format!("{title:<8} {name}"));
                if let Some(how) = restricted.get(name.as_str()) {
                    text.push_str(&format!("  ({how})"));
                }
                text.push('\n');
            }
        }
        text.push_str(&match &self.problem {
            None => "verdict  runs on this host\n".to_owned(),
            Some(problem) => format!("verdict  does not run here: {problem}\n"),
        });
        text
    }
}
